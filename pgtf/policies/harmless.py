"""Whether a saved graph only computes, so that loading a stranger's policy runs nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

# What an acting graph consists of. Resources and assets run functions of their own when loaded.
_KINDS = {"user_object", "function", "bare_concrete_function", "constant"}
# Operations that read or write files, call Python, print, or speak to other machines.
_EFFECTS = re.compile(
    r"File|Save|Restore|Checkpoint|PyFunc|Summary|Print|Debug|Dataset|Iterator|Reader|Vocab"
    r"|LoadAndRemap|Remote|Rpc|Send|Recv|Library|Unigram|Directory|CustomCall"
)


def refuse_effects(folder: Path) -> None:
    """Refuses a SavedModel that does more than compute.

    Args:
        folder: where ``tf.saved_model.save`` has put it.

    Raises:
        ValueError: it is none, or has an operation with an effect.
        OSError: it cannot be read.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise ValueError(f"{folder} holds no graph") from error
    for graph in model.meta_graphs:
        for node in graph.object_graph_def.nodes:
            if node.WhichOneof("kind") not in _KINDS or node.saveable_objects:
                raise ValueError(f"the graph in {folder} holds more than functions")
        library = {each.signature.name: each for each in graph.graph_def.library.function}
        for operation in _operations(library, list(graph.object_graph_def.concrete_functions)):
            if _EFFECTS.search(operation):
                raise ValueError(
                    f"the graph in {folder} does more than compute: it asks for {operation}"
                )


def _operations(library: dict[str, Any], called: list[str]) -> Iterator[str]:
    """The operations of functions and of all that they call."""
    known = set(called)
    while called:
        for node in library[called.pop()].node_def:
            yield node.op
            attributes = node.attr.values()
            inner = {node.op, *(each.func.name for each in attributes)}
            inner |= {function.name for each in attributes for function in each.list.func}
            new = (inner & library.keys()) - known
            known |= new
            called += sorted(new)
