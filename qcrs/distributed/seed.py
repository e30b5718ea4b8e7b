"""A first sharing: every qubit keeps one home, by hypergraph partitioning.

Mt-KaHyPar (Gottesbüren, Heuer, Maas, Sanders, Schlag, ACM J. Exp. Algorithmics 2024) does it in milliseconds;
without it the qubits are laid out in their order and all work is left to the annealing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import NormalForm
from qcrs.distributed.sharing import Sharing, pairs
from qcrs.errors import InputError

__all__ = ["seeds"]


def seeds(form: NormalForm, network: Network, tries: int = 1) -> list[Sharing]:
    """First sharings, the cheapest first; at least one. A try takes 3 to 20 ms.

    The partitioner's generator cannot be set anew within a process, so calls may differ.
    """
    if sum(network.capacity) < form.qubits:
        raise InputError(
            f"the circuit has {form.qubits} qubits, the processors together {sum(network.capacity)}",
            field="capacity",
            value=network.capacity,
            solution="add a processor",
        )
    home = _in_order(form, network)
    found = [_static(form, home, [home[gate.qubits[0]] for gate in form.gates])]
    if form.gates and network.size > 1:
        found += [_static(form, *pair) for pair in _partitions(form, network, tries)]
    return sorted(dict.fromkeys(found), key=lambda sharing: pairs(form, network, sharing))


def _in_order(form: NormalForm, network: Network) -> list[int]:
    homes: list[int] = []
    for p, room in enumerate(network.capacity):
        homes += [p] * min(room, form.qubits - len(homes))
    return homes


def _static(form: NormalForm, home: list[int], places: list[int]) -> Sharing:
    """One home per qubit."""
    return Sharing(tuple(home[segment.qubit] for segment in form.segments), tuple(places), tuple(home))


def _partitions(form: NormalForm, network: Network, tries: int) -> Iterator[tuple[list[int], list[int]]]:
    """Homes and places by Mt-KaHyPar; none where it is not installed or nothing fits the capacities."""
    try:
        import mtkahypar
    except ImportError:
        return
    library = _library(mtkahypar)
    context = library.context_from_preset(mtkahypar.PresetType.QUALITY)  # HIGHEST_QUALITY ends the process
    context.set_partitioning_parameters(network.size, 0.0, mtkahypar.Objective.KM1)
    context.logging = False
    heavy = len(form.gates) + 1  # gates weigh next to nothing, but not nothing
    context.set_individual_target_block_weights([room * heavy + len(form.gates) for room in network.capacity])
    edges = [
        [segment.qubit, *(form.qubits + gate for gate in segment.gates)]
        for segment in form.segments
        if segment.gates
    ]
    weights = [heavy] * form.qubits + [1] * len(form.gates)
    graph = library.create_hypergraph(
        context, form.qubits + len(form.gates), len(edges), edges, weights, [1] * len(edges)
    )
    for number in range(tries):
        mtkahypar.set_seed(number)
        found = graph.partition(context)
        homes = [int(found.block_id(qubit)) for qubit in range(form.qubits)]
        if all(homes.count(p) <= room for p, room in enumerate(network.capacity)):
            yield homes, [int(found.block_id(form.qubits + gate.number)) for gate in form.gates]


_started: list[Any] = []


def _library(module: Any) -> Any:
    if not _started:
        _started.append(module.initialize(1))
    return _started[0]
