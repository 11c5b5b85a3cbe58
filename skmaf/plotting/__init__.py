"""Pictures of what estimators say, as scikit-learn's Displays; matplotlib is needed to draw one."""
