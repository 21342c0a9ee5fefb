"""The workloads, one file each, by name in the order of the table."""

from __future__ import annotations

from contender import Workload
from workloads import iris, mlp_1024, mnist_mlp, xor

WORKLOADS: dict[str, Workload] = {
    module.WORKLOAD.name: module.WORKLOAD for module in (xor, iris, mnist_mlp, mlp_1024)
}
