"""The names of the probable causes of alarms."""

from collections.abc import Mapping

from gateway.wording.languages import translated

CAUSES: Mapping[str, str] = {
    "adapterError": "adapter error",
    "applicationSubsystemFailure": "application subsystem failure",
    "bandwidthReduced": "bandwidth reduced",
    "callEstablishmentError": "call establishment error",
    "communicationsProtocolError": "communications protocol error",
    "communicationsSubsystemFailure": "communications subsystem failure",
    "configurationOrCustomizationError": "configuration or customization error",
    "congestion": "congestion",
    "corruptData": "corrupt data",
    "cpuCyclesLimitExceeded": "CPU cycles limit exceeded",
    "dataSetOrModemError": "data set or modem error",
    "degradedSignal": "degraded signal",
    "dTE-DCEInterfaceError": "DTE-DCE interface error",
    "enclosureDoorOpen": "enclosure door open",
    "equipmentMalfunction": "equipment malfunction",
    "excessiveVibration": "excessive vibration",
    "fileError": "file error",
    "fireDetected": "fire detected",
    "floodDetected": "flood detected",
    "framingError": "framing error",
    "heatingOrVentilationOrCoolingSystemProblem": "heating, ventilation or cooling system problem",
    "humidityUnacceptable": "humidity unacceptable",
    "inputDeviceError": "input device error",
    "inputOutputDeviceError": "input/output device error",
    "lANError": "LAN error",
    "leakDetected": "leak detected",
    "localNodeTransmissionError": "local node transmission error",
    "lossOfFrame": "loss of frame",
    "lossOfSignal": "loss of signal",
    "materialSupplyExhausted": "material supply exhausted",
    "multiplexerProblem": "multiplexer problem",
    "outOfMemory": "out of memory",
    "outputDeviceError": "output device error",
    "performanceDegraded": "performance degraded",
    "powerProblem": "power problem",
    "pressureUnacceptable": "pressure unacceptable",
    "processorProblem": "processor problem",
    "pumpFailure": "pump failure",
    "queueSizeExceeded": "queue size exceeded",
    "receiveFailure": "receive failure",
    "receiverFailure": "receiver failure",
    "remoteNodeTransmissionError": "remote node transmission error",
    "resourceAtOrNearingCapacity": "resource at or nearing capacity",
    "responseTimeExcessive": "response time excessive",
    "retransmissionRateExcessive": "retransmission rate excessive",
    "softwareError": "software error",
    "softwareProgramAbnormallyTerminated": "software program abnormally terminated",
    "softwareProgramError": "software program error",
    "storageCapacityProblem": "storage capacity problem",
    "temperatureUnacceptable": "temperature unacceptable",
    "thresholdCrossed": "threshold crossed",
    "timingProblem": "timing problem",
    "toxicLeakDetected": "toxic leak detected",
    "transmitFailure": "transmit failure",
    "transmitterFailure": "transmitter failure",
    "underlyingResourceUnavailable": "underlying resource unavailable",
    "versionMismatch": "version mismatch",
}
"""The names of the probable causes of X.733 in English, by the identifiers of X.721.

Of these, `outputDeviceError` and `responseTimeExcessive` are spelled rightly.
"""


def cause_of_alarm(code: str) -> str:
    """The name of a probable cause in the reader's language; the code itself where X.733 has none."""
    name = CAUSES.get(code)
    return code if name is None else translated(name)
