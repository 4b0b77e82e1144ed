"""Models that an inference server answers for: NIM, vLLM and Triton."""
