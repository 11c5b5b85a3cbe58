"""ONNX models of fitted estimators, which are served without torch and skmaf."""
