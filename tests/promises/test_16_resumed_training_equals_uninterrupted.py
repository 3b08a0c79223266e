"""Training resumed after a kill equals uninterrupted training (one thread)."""

import pytest
import torch
from helpers.runs import CONFIG, detector, source
from helpers.trainings import files

from das3d_ref import train
from das3d_ref.model import load_checkpoint
from das3d_ref.model.checkpoint import load_state


class Kill(BaseException):
    pass


@pytest.mark.parametrize("every", [3, 5])
def test_equal_weights_whenever_it_ends(tmp_path, every, record_property):
    """As a kill leaves it (by signals: promise 14); between two validations, too."""
    ends = range(every, 12, every)

    def stop_at(last):
        def stop(step, steps, figures):
            if step >= last:
                raise Kill

        return stop

    for last in ends:
        with pytest.raises(Kill):
            train(source(), tmp_path, config=CONFIG, resume=True, progress=stop_at(last))
    train(source(), tmp_path, config=CONFIG, resume=True)
    (_, state), (_, wanted) = load_state(tmp_path), load_state(detector())
    assert state.keys() == wanted.keys()
    assert [name for name in state if not torch.equal(state[name], wanted[name])] == []
    kept, expected = load_checkpoint(tmp_path), load_checkpoint(detector())
    assert all(torch.equal(kept.weights[name], expected.weights[name]) for name in expected.weights)
    assert kept.header == expected.header
    assert files(tmp_path) == files(detector())
    record_property(
        "figure", f"{len(state)} tensors (weights, averages, moments) equal to the bit after {len(ends)} ends"
    )
