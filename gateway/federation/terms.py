"""The federation's names for its regions, departments, businesses, materials and complaint codes."""

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.terms_pb2 import CodeTerm, RegionTerm, Terms


def terms_of(configuration: Configuration) -> Terms:
    """The names in a configuration, by id."""
    regions = (RegionTerm(region=each.id, name=each.name, time_zone=each.time_zone) for each in configuration.regions)
    categories = (CodeTerm(code=each.code, name=each.name) for each in configuration.complaint_categories)
    causes = (CodeTerm(code=each.code, name=each.name) for each in configuration.resolution_causes)
    units = {each.code: each for every in configuration.complaint_categories for each in every.departments}
    units |= {each.code: each for each in configuration.body.departments}
    departments = (CodeTerm(code=each.code, name=each.name) for each in units.values())
    businesses = (CodeTerm(code=each.code, name=each.name) for each in configuration.businesses)
    materials = (CodeTerm(code=each.code, name=each.name) for each in configuration.materials)
    joint_items = (
        CodeTerm(code=f"{business.code}/{each.id}", name=each.name)
        for business in configuration.businesses
        for each in business.joint.items
    )
    checks = (
        CodeTerm(code=f"{business.code}/{each.id}", name=each.staff_check)
        for business in configuration.businesses
        for each in business.joint.items
        if each.HasField("staff_check")
    )
    return Terms(
        regions=sorted(regions, key=lambda each: each.region),
        complaint_categories=sorted(categories, key=lambda each: each.code),
        resolution_causes=sorted(causes, key=lambda each: each.code),
        departments=sorted(departments, key=lambda each: each.code),
        businesses=sorted(businesses, key=lambda each: each.code),
        joint_items=sorted(joint_items, key=lambda each: each.code),
        joint_staff_checks=sorted(checks, key=lambda each: each.code),
        materials=sorted(materials, key=lambda each: each.code),
    )
