"""What a stage's trials say about its genes, as it leaves the API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SlopeView(BaseModel):
    """How fitness changes with one gene at the best trial; null where the gene does not vary."""

    model_config = ConfigDict(from_attributes=True)

    gene: str
    slope: float | None = Field(description="Fitness per unit of the gene.")
    low: float | None = Field(description="Lower end of the slope's 95 % interval.")
    high: float | None = Field(description="Upper end of the slope's 95 % interval.")
    curvature: float | None = Field(description="Half the second derivative; null in a linear fit.")


class SensitivityView(BaseModel):
    """A least-squares fit to the trials nearest to the best."""

    model_config = ConfigDict(from_attributes=True)

    around: int = Field(description="The best trial.")
    form: str = Field(description="linear or quadratic")
    n: int = Field(description="Trials that the fit is to.")
    noise: float = Field(description="Standard deviation of what the fit leaves unexplained.")
    slopes: list[SlopeView]


class ImportanceView(BaseModel):
    """Which genes of a stage mattered."""

    stage: str
    trials: int = Field(description="Trials that were scored whole.")
    importances: dict[str, float] | None = Field(
        description="Share by gene, most important first (PED-ANOVA); null where none can be told."
    )
    sensitivity: SensitivityView | None = Field(description="Null where there are too few trials.")
    notes: list[str] = Field(description="Why something is null.")
