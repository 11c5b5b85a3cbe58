"""Which class for which question: questions to the left, answers to the right."""

import matplotlib.pyplot as plt

CHOICES = [
    ("Do you want to know which rows are odd?", "DensityOutlierDetector"),
    ("Is a class to be told from the other columns?", "MAFClassifier"),
    ("Are numbers to be told from them, with their uncertainty?", "ConditionalMAFDensity"),
    ("Is there no table, but a log-density that you can compute?", "VariationalFlow"),
    ("Is the best log-likelihood worth several fits?", "DensityEnsemble"),
    ("Do you want log-densities, fresh rows or missing cells?", "MAFDensity"),
]

figure, axis = plt.subplots(figsize=(9, 5.4), layout="constrained")
axis.set(xlim=(0, 10), ylim=(-len(CHOICES) + 0.45, 0.55))
axis.axis("off")
question = {"boxstyle": "round,pad=0.5", "facecolor": "whitesmoke", "edgecolor": "grey"}
answer = {"boxstyle": "round,pad=0.5", "facecolor": "rebeccapurple", "edgecolor": "none"}
arrow = {"arrowstyle": "-|>", "color": "grey", "shrinkA": 14, "shrinkB": 14}
for k, (text, name) in enumerate(CHOICES):
    axis.text(3.1, -k, text, ha="center", va="center", bbox=question)
    axis.text(
        8.5, -k, name, ha="center", va="center", color="white", family="monospace", bbox=answer
    )
    axis.annotate("", (7.1, -k), (6.0, -k), arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0})
    axis.text(6.5, -k + 0.1, "yes", ha="center", va="bottom", color="grey")
    if k < len(CHOICES) - 1:
        axis.annotate("", (3.1, -k - 1), (3.1, -k), arrowprops=arrow)
        axis.text(3.25, -k - 0.5, "no", ha="left", va="center", color="grey")
