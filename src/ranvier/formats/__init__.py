"""Files: one model is one safetensors file; loading it never executes anything."""

from ranvier.formats.description import FORMAT_VERSION
from ranvier.formats.model_file import LoadedModel, load_model, save_model

__all__ = ["FORMAT_VERSION", "LoadedModel", "load_model", "save_model"]
