"""TIES: trim, elect signs, disjoint merge (Yadav et al., arXiv 2306.01708, section 3)."""

from __future__ import annotations

from merging.errors import RecipeError
from merging.method import Method, Parameter, Pointwise, Site, Survey
from merging.methods._sparse import DENSITY, band, elected, from_magnitude, match_l1
from merging.methods._sums import INT8_MASK, LAMBDA, WEIGHT, normalize

TRIM = Parameter(
    "trim",
    False,
    "tensor",
    None,
    None,
    "trim each tensor by itself, as mergekit does, or the whole model at once, as the paper does "
    "(Cuvee's own key)",
    "choice",
    choices=("tensor", "model"),
    varies=False,
)
DISJOINT = Parameter(
    "disjoint",
    False,
    "sum",
    None,
    None,
    "of the entries of the elected sign take the sum (the mean with normalize) or the largest "
    "(Cuvee's own key)",
    "choice",
    choices=("sum", "max"),
    varies=False,
)
RESCALE = Parameter(
    "rescale", False, False, None, None, "scale what is kept to the old L1 norm", "switch"
)


def prepare(survey: Survey) -> list[float] | None:
    """With `trim: model`, the magnitude from which each parent's deltas are kept; else None.

    As in the released code: of all n entries the (n - int(density * n))-th smallest magnitude, and
    what equals it is kept too. Raises RecipeError where a density varies between tensors.
    """
    densities = None
    for site in survey.sites():
        if site.choices["trim"] == "tensor":
            return None
        if densities not in (None, site.per_parent["density"]):
            raise RecipeError("parameters.density", "trim: model takes one density a parent")
        densities = site.per_parent["density"]
    return [
        survey.magnitude(parent, survey.entries - int(density * survey.entries))
        for parent, density in enumerate(densities or ())
    ]


def merge(site: Site) -> Pointwise:
    """base + lambda * elect(trim(theta_k - base, density_k), w_k).

    Per tensor, max(1, int(density * n)) entries are kept, as in mergekit; of equal ones the first.
    """
    rescale = bool(site.shared["rescale"])
    selections = []
    for parent, density in enumerate(site.per_parent["density"]):
        count = site.parents[parent].numel()
        keep = max(1, int(density * count)) if density > 0 else 0
        if isinstance(site.prepared, list):
            selection = from_magnitude(site.prepared[parent])
            selections.append(match_l1(site, parent, selection) if rescale else selection)
        else:
            selections.append(band(site, parent, 0, keep, rescale_l1=rescale))
    return elected(
        site,
        selections,
        site.per_parent["weight"],
        normalize=bool(site.shared["normalize"]),
        largest=site.choices["disjoint"] == "max",
    )


METHOD = Method(
    name="ties",
    form="prepared",
    summary="the base plus the largest changes, where the parents agree on the sign",
    source="TIES-Merging, arXiv 2306.01708, section 3",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=(WEIGHT, DENSITY, LAMBDA, normalize(True), DISJOINT, RESCALE, TRIM, INT8_MASK),
    merge=merge,
    prepare=prepare,
)
