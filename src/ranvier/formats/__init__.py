"""Files: one model is one safetensors file; loading it never executes anything."""

from ranvier.formats.checkpoint_file import LoadedCheckpoint, load_checkpoint, save_checkpoint
from ranvier.formats.description import FORMAT_VERSION
from ranvier.formats.model_file import LoadedModel, load_model, save_model

__all__ = [
    "FORMAT_VERSION",
    "LoadedCheckpoint",
    "LoadedModel",
    "load_checkpoint",
    "load_model",
    "save_checkpoint",
    "save_model",
]
