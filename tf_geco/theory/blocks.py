"""Many problems are cut into blocks, and the blocks solved side by side."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras
import tensorflow as tf

Result = TypeVar("Result")


def block_size(num_points: int, num_tiles: int) -> int:
    """Returns how many problems to solve together: as many as fit a core's cache, or a GPU.

    Args:
        num_points: n.
        num_tiles: B.

    Example:
        >>> block_size(200, 1024) >= 1
        True
    """
    budget = 2**26 if tf.config.list_logical_devices("GPU") else 2**18
    return max(1, budget // (num_points * num_tiles))


def solve_blocks(
    solve: Callable[[int], Result], num_blocks: int, verbose: bool = False
) -> list[Result]:
    """Returns the results of all blocks in order, solved side by side, one block a core.

    XLA runs a loop on one core; the blocks share nothing, so that threads use the others. Only what
    `solve` returns is kept: each core holds the memory of one block.

    Args:
        solve: Number of a block -> its result.
        num_blocks: Number of blocks.
        verbose: Whether to show progress.

    Example:
        >>> solve_blocks(lambda block: 2 * block, 3)
        [0, 2, 4]
    """
    device = tf.zeros([]).device  # that is asked for here; each thread begins without any

    def here(block: int) -> Result:
        with tf.device(device):
            return solve(block)

    workers = 1 if tf.config.list_logical_devices("GPU") else os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        results: Iterable[Result] = pool.map(here, range(num_blocks))
        if not verbose:
            return list(results)
        bar, kept = keras.utils.Progbar(num_blocks, unit_name="block"), []
        for result in results:
            kept.append(result)
            bar.add(1)
        return kept
