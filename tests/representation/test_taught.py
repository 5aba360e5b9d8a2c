"""Information between a code and the fixed code of a teacher."""

import numpy as np
import pytest
import torch
from torch import Tensor

from infomax.information import Bilinear, Cosine
from infomax.representation.encoders import Representation
from infomax.representation.objectives import CrossViewInfo, EncodedView, TaughtBy

ROWS = torch.tensor([7, 2, 9, 0, 4])
TEACHER = torch.randn(12, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def seen(seed: int = 0, rows: Tensor | None = ROWS) -> EncodedView:
    code = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Representation(code.unsqueeze(1), code, None, (1, 1), rows=rows), code


def by_hand(code: Tensor, weight: Tensor) -> float:
    """InfoNCE in NumPy: the teacher's code of the same image among those of the batch."""
    scores = code.numpy() @ weight.detach().numpy() @ TEACHER[ROWS].numpy().T
    return float(np.mean(np.diag(scores) - np.log(np.exp(scores).mean(1))))


def test_the_partner_is_the_code_of_the_same_image() -> None:
    critic = Bilinear(3, 6).double()
    value = TaughtBy(TEACHER, critic)(*seen())
    assert value.total.item() == pytest.approx(by_hand(seen()[1], critic.form.weight.T), abs=1e-12)
    assert list(value.terms) == ["taught"]


def test_views_are_averaged_and_the_objective_adds_to_others() -> None:
    critic, between = Bilinear(3, 6).double(), CrossViewInfo(Cosine(3, 3, 4, shared=True).double())
    taught, views = TaughtBy(TEACHER, critic), [seen(0), seen(1)]
    value = (2.0 * taught + 0.5 * between).of_views(views)
    mean = np.mean([by_hand(code, critic.form.weight.T) for _, code in views])
    assert value.terms["taught"].item() == pytest.approx(mean, abs=1e-12)
    wanted = 2 * mean + 0.5 * between.of_views(views).total.item()
    assert value.total.item() == pytest.approx(wanted, abs=1e-12)


def test_the_teacher_is_fixed_and_not_saved() -> None:
    taught = TaughtBy(TEACHER, Cosine(3, 6, 4).double())
    representation, code = seen()
    code.requires_grad_()
    taught(representation, code).total.backward()
    assert code.grad is not None
    assert taught.teacher.grad is None
    assert all(name.startswith("critic.") for name in taught.state_dict())


def test_a_batch_that_does_not_say_its_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the rows of the inputs"):
        TaughtBy(TEACHER, Bilinear(3, 6).double())(*seen(rows=None))


def test_a_split_batch_keeps_its_rows() -> None:
    representation, _ = seen()
    assert [part.rows.tolist() for part in representation.split(2) if part.rows is not None] == [[7, 2], [9, 0], [4]]


def test_a_cosine_without_layers_compares_codes_as_they_are() -> None:
    x, y = TEACHER[:5], TEACHER[5:10]
    critic = Cosine(6, 6, layers=0, temperature=0.1)
    torch.testing.assert_close(critic(x, y), 10 * torch.cosine_similarity(x, y))
    assert list(critic.parameters()) == []
    with pytest.raises(ValueError, match="cannot be compared as they are"):
        Cosine(6, 5, layers=0)


def test_learning_finds_the_teacher() -> None:
    """Free codes end as telling as the teacher's own codes are: all but 5 in 100 of ln n."""
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(64, 8, generator=generator)
    code = torch.randn(64, 8, generator=generator).requires_grad_()
    taught = TaughtBy(teacher, Cosine(8, 8, layers=0, temperature=0.1))
    optimizer = torch.optim.Adam([code], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        value = taught(Representation(code.unsqueeze(1), code, None, (1, 1), rows=torch.arange(64)), code).total
        (-value).backward()
        optimizer.step()
    assert value.item() > 0.95 * np.log(64)
