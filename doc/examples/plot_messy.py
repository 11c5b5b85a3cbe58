"""
Mixed columns: categories, integers, missing values
===================================================

Categories, integers, prices with zeros, missing cells: columns are fitted as they are. Each kind
has a density of its own, and rows that are drawn look like rows of the table.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skmaf import MAFDensity

rng = np.random.default_rng(0)
n = 1500
age = rng.normal(42, 15, n).clip(18, 90).astype(int)
is_member = rng.random(n) < 1 / (1 + np.exp(-(age - 45) / 10))
spent = np.where(rng.random(n) < 0.35, 0, rng.lognormal(3 + 0.5 * is_member, 0.8, n)).round(1)
customers = pd.DataFrame(
    {
        "age": age,
        "plan": np.where(is_member, "member", rng.choice(["guest", "trial"], n, p=[0.7, 0.3])),
        "spent": spent,
        "rating": np.where(rng.random(n) < 0.3, np.nan, rng.binomial(5, 0.6 + 0.2 * is_member)),
    }
)
density = MAFDensity(n_layers=3, hidden_layer_sizes=(32, 32), max_iter=40, random_state=0)
density.fit(customers)
print(density.describe_columns())

# %%
# Draws have the dtypes of the table, its categories and its missing cells.

drawn = density.sample(n, random_state=0)
print(drawn.head())

# %%
# Column by column, the table in grey and what is drawn in red. What columns have to do with each
# other is kept, too: members are older, and spend more.

figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), layout="constrained")
for table, style in [
    (customers, {"color": "lightgrey"}),
    (drawn, {"color": "firebrick", "histtype": "step", "linewidth": 1.5}),
]:
    axes[0].hist(table["age"], np.arange(17.5, 92, 3), **style)
    axes[1].hist(table["spent"].clip(upper=120), np.arange(-2.5, 125, 5), **style)
    axes[2].hist(table["rating"].fillna(-1), np.arange(-1.5, 6), **style)
axes[2].set_xticks(range(-1, 6), ["none", *range(6)])
for axis, title in zip(axes, ["age", "spent", "rating"]):
    axis.set_title(title)
means = pd.DataFrame(
    {"table": customers.groupby("plan")["age"].mean(), "drawn": drawn.groupby("plan")["age"].mean()}
)
means.plot.bar(ax=axes[3], color=["lightgrey", "firebrick"], rot=0, xlabel="")
axes[3].set_title("mean age by plan")
plt.show()
