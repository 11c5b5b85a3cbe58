"""What the rows of a detector may be like.

Trusted rows are normal. Others may hold outliers: each by itself, where odd rows lie scattered, or
several together, where they are clustered. Binary rows hold little but answers of two values, by
which no row is odd at a glance.
"""

TRUSTED = "trusted"
SCATTERED = "scattered"
CLUSTERED = "clustered"
BINARY = "binary"
