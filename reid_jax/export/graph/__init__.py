"""An ONNX graph from a traced program: one function a primitive, files by kind."""
