"""Control plane: routing, link fidelities, cutoffs, rates, admission."""

from qcrs.qnp.control.plan import (
    CircuitPlan,
    LinkSetting,
    link_setting,
    plan,
    plan_all,
    predicted_fidelity,
    route,
)

__all__ = ["CircuitPlan", "LinkSetting", "link_setting", "plan", "plan_all", "predicted_fidelity", "route"]
