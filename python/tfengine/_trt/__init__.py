"""The parts of `tfengine.trt_convert`, TF-TRT's module. Only `install` may be imported without TensorFlow."""
