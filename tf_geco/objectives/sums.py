"""The sums of a batch: replicas, micro-batches and epochs add them up."""

from typing import NamedTuple

import tensorflow as tf

from tf_geco.strategies import replica_count, replica_sum


class Sums(NamedTuple):
    """Weighted sums over examples: of what each constraint measures, and last of the cost.

        total = sum_i w_i n_i v_i,    count = sum_i w_i n_i,    mean = total / count

    v_i is what is measured of example i, n_i how much it counts there, w_i its sample weight. Each
    entry has its own count, because some constraints look at some examples only.

    Args:
        totals: `[L + 1]`.
        counts: `[L + 1]`.
    """

    totals: tf.Tensor
    counts: tf.Tensor

    @classmethod
    def of(cls, values: list, counts: list, sample_weight: tf.Tensor | None = None) -> "Sums":
        """Returns the sums of a batch.

        An example that does not count may hold anything, even NaN; a gradient through that is
        its constraint's affair.

        Args:
            values: L + 1 tensors `[B]`.
            counts: L + 1 tensors `[B]`, or `None` for those that count all examples alike.
            sample_weight: `[B]`, or `None` for equal weights.
        """
        stacked = tf.stack(values, axis=1)
        if sample_weight is None and all(count is None for count in counts):
            number = tf.cast(tf.shape(stacked)[0], tf.float32)
            return cls(tf.reduce_sum(stacked, axis=0), tf.fill([len(values)], number))
        ones = tf.ones_like(values[-1])
        weights = tf.stack([ones if count is None else count for count in counts], axis=1)
        if sample_weight is not None:
            weights *= sample_weight[:, tf.newaxis]
        stacked = tf.where(tf.equal(weights, 0.0), 0.0, stacked)
        return cls(tf.reduce_sum(weights * stacked, axis=0), tf.reduce_sum(weights, axis=0))

    @property
    def means(self) -> tf.Tensor:
        """Totals over counts, `[L + 1]`; NaN where nothing counted."""
        return self.totals / self.counts

    @property
    def safe_means(self) -> tf.Tensor:
        """Totals over counts, `[L + 1]`; zero where nothing counted."""
        return tf.math.divide_no_nan(self.totals, self.counts)

    @property
    def known(self) -> tf.Tensor:
        """Which entries counted any example, boolean `[L + 1]`."""
        return tf.not_equal(self.counts, 0.0)

    def stacked(self) -> tf.Tensor:
        """Returns totals and counts as one tensor, `[2, L + 1]`."""
        return tf.stack([self.totals, self.counts])

    @classmethod
    def unstacked(cls, tensor: tf.Tensor) -> "Sums":
        """Returns the sums that `stacked` returned as one tensor."""
        return cls(*tf.unstack(tensor))

    def over_replicas(self) -> "Sums":
        """Returns the sums over all replicas, the same on each.

        Their gradient is that of this replica's share, so that gradients, which optimizers add over
        replicas, add up to that of the whole.
        """
        if replica_count() == 1:
            return self
        whole = Sums.unstacked(replica_sum(tf.stop_gradient(self.stacked())))
        share = self.totals - tf.stop_gradient(self.totals)
        return Sums(whole.totals + share, whole.counts)

    def averaged_into(self, average: "Sums", decay: float) -> "Sums":
        """Returns the moving averages of totals and of counts after these sums.

            A^0 = S^0,    A^t = decay A^{t-1} + (1 - decay) S^t

        Their ratio is the moving average of a mean: for batches of one size the C_ma of Algorithm
        1. The first sums with a count seed it, and sums without one leave the ratio as it was.

        Args:
            average: A^{t-1}.
            decay: Between 0 and 1.

        Reference:
            Rezende and Viola, "Taming VAEs", 2018, Algorithm 1.
        """
        new, old = self.stacked(), average.stacked()
        mixed = decay * old + (1.0 - decay) * new
        return Sums.unstacked(tf.where(average.known, mixed, new))
