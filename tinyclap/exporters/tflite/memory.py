"""Where every map lies in TensorFlow Lite Micro's arena.

Its own planner gives each operator's output new bytes. Operators that go number by number may as well write over what
they read for the last time, which nearly halves the peak of a network whose hard-swish is an operator of its own. The
file says so under the name that the interpreter reads (its docs/memory_management.md, "Offline planned tensor
allocations"); others ignore it.
"""

import dataclasses

import numpy as np

from tinyclap.exporters.c.arena import Buffer, Plan, planned
from tinyclap.exporters.tflite.graph import Graph, Tensor

OFFLINE_PLAN = "OfflineMemoryAllocation"
IN_PLACE = ("HARD_SWISH", "LOGISTIC", "ADD", "MUL", "SUB", "TANH", "RSQRT", "RESHAPE")
NOT_PLANNED = -1


def memory_plan(graph: Graph, source: Tensor, target: Tensor) -> Plan:
    """A place for each map of a graph, by its name."""
    lives = _lives(graph, source, target)
    owners: dict[int, int] = {}  # of a map that lies where another one does
    for number, step in enumerate(graph.steps):
        for tensor in step.inputs if step.kind in IN_PLACE else ():
            known = tensor.index in graph.constants
            if not known and lives[tensor.index][1] == number and tensor.size_bytes == step.output.size_bytes:
                owners[step.output.index] = owners.get(tensor.index, tensor.index)
                break
    merged: dict[int, Buffer] = {}
    for index, (first, last) in lives.items():
        owner, tensor = owners.get(index, index), graph.tensors[index]
        if owner in merged:
            before = merged[owner]
            merged[owner] = dataclasses.replace(before, first=min(before.first, first), last=max(before.last, last))
        else:
            merged[owner] = Buffer(str(owner), tensor.size_bytes, first, last)
    plan = planned(merged.values())
    return Plan({graph.tensors[i].name: plan.places[str(owners.get(i, i))] for i in lives}, plan.size_bytes)


def _lives(graph: Graph, source: Tensor, target: Tensor) -> dict[int, tuple[int, int]]:
    """The first and the last step of each map."""
    lives = {source.index: (-1, -1)}
    for number, step in enumerate(graph.steps):
        lives[step.output.index] = (number, number)
        for tensor in step.inputs:
            if tensor.index in lives:
                lives[tensor.index] = (lives[tensor.index][0], number)
    return lives | {target.index: (lives[target.index][0], len(graph.steps))}


def as_metadata(graph: Graph, plan: Plan) -> bytes:
    """The plan as the interpreter reads it: version, subgraph, tensors, and the place of each."""
    places = [NOT_PLANNED if tensor.index in graph.constants else plan.places[tensor.name] for tensor in graph.tensors]
    return np.array([1, 0, len(places), *places], np.int32).tobytes()
