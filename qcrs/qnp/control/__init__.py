"""Control plane: routing, link fidelities, cutoffs, rates, admission."""

from qcrs.qnp.control.fidelity import LinkSetting, PathModel, link_setting
from qcrs.qnp.control.plan import CircuitPlan, plan, plan_all
from qcrs.qnp.control.routing import route

__all__ = ["CircuitPlan", "LinkSetting", "PathModel", "link_setting", "plan", "plan_all", "route"]
