"""The one place in which kinds of records register with what works on all of them."""

from region_node.network.agreements.announced import tell_announced
from region_node.network.faults import evidence as faults
from region_node.network.faults.owner import follow_problem, leave_problem
from region_node.network.problems.port import Evidence, ProblemPorts

PROBLEMS = ProblemPorts(evidence={faults.KIND: Evidence(follow_problem, leave_problem)}, line_bound=tell_announced)
"""What problems of the network are made of."""
