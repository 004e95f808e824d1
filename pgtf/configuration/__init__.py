"""gin: finding files, checking bindings, messages; settings of TensorFlow's runtime."""
