"""NaN and infinity in what was merged, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from merging.checkpoint import Parent
from merging.errors import NonFiniteError


def check_finite(
    tensors: Mapping[str, Tensor], sums: Sequence[Tensor], parents: Mapping[str, Parent]
) -> None:
    """Raise NonFiniteError, naming the first merged tensor with NaN or infinity in it, and the
    first model whose tensor of that name has them too.

    A tensor whose sum is finite holds none. A sum can overflow where no entry does.
    """
    if bool(torch.stack([one.cpu() for one in sums]).isfinite().all()):
        return
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            message = f"the merged tensor {name!r} holds NaN or infinity"
            for model, parent in parents.items():
                if name in parent.info.tensors and not parent.tensor(name).isfinite().all():
                    message += f", and so does that of model {model!r}"
                    break
            raise NonFiniteError(message)
