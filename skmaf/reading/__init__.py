"""Tables from files: what people save as a table, read as the table that they mean.

`sources` turns a file into bytes and `text` bytes into text, of which `encodings` guesses old ones;
`dialects` finds what divides cells, `layout` which lines are the table, and `numbers` which cells
are numbers. `tables` puts them together. What it found goes on as `conventions`, by which `blocks`
reads other files a part at a time, with cells as they are `expected`. Nothing here knows an
estimator, and nothing warns: what was assumed is data.
"""

from .tables import read_table

__all__ = ["read_table"]
