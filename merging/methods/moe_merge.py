"""M-SMoE: merge a model's experts by how its routers use them (Li et al., arXiv 2310.01334)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from merging.method import Method, Parameter, SearchRange, Site, Statistic, Survey
from merging.moe.layout import expert_blocks
from merging.moe.merge import MergedExperts, Orders

if TYPE_CHECKING:
    from torch import Tensor

GROUPS = Parameter(
    "groups",
    False,
    None,
    1.0,
    None,
    "how many experts a block keeps on average",
    varies=False,
    search=SearchRange(1.0, 8.0, 4.0),
)


def prepare(survey: Survey) -> MergedExperts:
    """The groups of experts, from the parent's routing statistics, and their alignment.

    Alignments depend on the weights alone and take long: they are kept for the next candidates.
    Raises CheckpointError for a model without experts.
    """
    sites = {site.name: site for site in survey.sites()}
    orders: Orders = survey.remember("orders", dict)
    return MergedExperts(
        list(sites),
        lambda name: sites[name].parents[0],
        {block.router: sites[block.router].statistic(0) for block in expert_blocks(sites)},
        next(iter(sites.values())).shared["groups"],
        orders,
    )


def merge(site: Site) -> Tensor:
    """The weights of the expert's group; any other tensor as it is.

    Memory beside the parent: the matrices of a few experts. Raises NonFiniteError where experts
    that are merged hold NaN or infinity.
    """
    assert isinstance(site.prepared, MergedExperts)
    return site.prepared.tensor(site.name).float().clone()


METHOD = Method(
    name="moe_merge",
    form="prepared",
    summary="fewer distinct experts, merged by how the routers use them",
    source="M-SMoE, arXiv 2310.01334, without its distillation",
    base="none",
    min_parents=1,
    max_parents=1,
    parameters=(GROUPS,),
    merge=merge,
    prepare=prepare,
    statistic=Statistic("routing"),
)
