"""What follows from any density: calibration, explanations, imputation, prediction."""
