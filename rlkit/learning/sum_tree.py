"""A binary tree of sums over priorities: draws in proportion to them in O(log n) (Schaul et al. 2016, appendix B.2.1).

The tree is one array: node i has the children 2i and 2i + 1, node 1 is the root, the leaves are its second half.
Every node is the sum of its two children, recomputed and never added to, so it follows from the leaves alone.
"""

import numpy as np

from rlkit.engine.jit import jit


class SumTree:
    """Priorities ≥ 0 of `num_leaves` things, float64, all 0 at first.

    Args:
        num_leaves: how many.
    """

    def __init__(self, num_leaves: int):
        self._first_leaf = 1 << max(0, num_leaves - 1).bit_length()
        self._nodes = np.zeros(2 * self._first_leaf)
        self.leaves = self._nodes[self._first_leaf : self._first_leaf + num_leaves]  # a view, to be read only

    @property
    def total(self) -> float:
        """The sum of all priorities."""
        return float(self._nodes[1])

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return self._nodes.nbytes

    def set(self, index: np.ndarray, priorities: np.ndarray) -> None:
        """Give the leaves `index` [B] int64 new priorities [B] float64; of one leaf twice the last counts."""
        _set(self._nodes, self._first_leaf, index, priorities)

    def set_all(self, priorities: np.ndarray) -> None:
        """Give the first leaves new priorities, all others 0."""
        self._nodes[:] = 0.0
        self.leaves[: len(priorities)] = priorities
        start = self._first_leaf // 2
        while start:
            self._nodes[start : 2 * start] = self._nodes[2 * start : 4 * start].reshape(start, 2).sum(axis=1)
            start //= 2

    def find(self, sums: np.ndarray) -> np.ndarray:
        """Return for each of `sums` [B] in [0, total) the leaf [B] in whose share of the running sum it falls."""
        found = np.empty(len(sums), np.int64)
        _find(self._nodes, self._first_leaf, sums, found)
        return found


@jit
def _set(nodes, first_leaf, index, priorities):
    for i in range(index.shape[0]):
        node = first_leaf + index[i]
        nodes[node] = priorities[i]
        node //= 2
        while node >= 1:
            nodes[node] = nodes[2 * node] + nodes[2 * node + 1]
            node //= 2


@jit
def _find(nodes, first_leaf, sums, found):
    for i in range(sums.shape[0]):
        node, rest = 1, sums[i]
        while node < first_leaf:
            left = nodes[2 * node]
            # rounding may leave a rest where nothing is on the right: then stay left, so that no 0 is ever drawn
            if rest < left or nodes[2 * node + 1] == 0.0:
                node = 2 * node
            else:
                rest -= left
                node = 2 * node + 1
        found[i] = node - first_leaf
