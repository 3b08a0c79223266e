"""The order of training: processes share the batches of one, every index comes once an epoch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from das3d_ref.training.steps import Steps


@given(
    length=st.integers(1, 9),
    share=st.integers(1, 4),
    world=st.integers(1, 3),
    first=st.integers(0, 5),
    seed=st.integers(0, 9),
)
def test_processes_share_the_batches_of_one(length, share, world, first, seed):
    settings = {"batch": share * world, "seed": seed, "first": first, "last": 12}
    alone = list(Steps(length, **settings))
    shards = [list(Steps(length, **settings, rank=rank, world=world)) for rank in range(world)]
    assert len(alone) == len(Steps(length, **settings)) == 12 - first
    for step, batch in enumerate(alone):
        assert [key for shard in shards for key in shard[step]] == batch
    assert list(Steps(length, **settings | {"first": 0}))[first:] == alone


@given(length=st.integers(1, 9), batch=st.integers(1, 20))
def test_every_index_comes_once_an_epoch(length, batch):
    keys = [key for step in Steps(length, batch=batch, seed=1, first=0, last=length * 3) for key in step]
    for epoch in range(batch * 3):
        assert sorted(keys[epoch * length : (epoch + 1) * length]) == [(epoch, index) for index in range(length)]


def test_the_order_changes_with_the_epoch_and_the_seed():
    orders = set()
    for seed in range(3):
        steps = Steps(20, batch=20, seed=seed, first=0, last=3)
        orders |= {tuple(index for _, index in step) for step in steps}
    assert len(orders) == 9
