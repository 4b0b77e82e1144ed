"""The Java process behind pypmml, started so that nobody else can use it and that it can be ended.

pypmml itself starts one that any user of the machine may call, and that lives as long as Python.
"""

from __future__ import annotations

import subprocess
from typing import Any

#: Seconds that Java has to end by itself.
GRACE = 5.0


def open_gateway() -> subprocess.Popen[bytes] | None:
    """Start Java for pypmml, with a secret; None where a gateway is open already."""
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
    from pypmml import PMMLContext
    from pypmml.jvm import Py4jGateway

    if PMMLContext.gateway() is not None:
        return None
    gateway: Any = Py4jGateway()
    port, token, process = launch_gateway(
        classpath=gateway.classpath,
        javaopts=gateway.java_opts,
        die_on_exit=True,
        enable_auth=True,
        return_proc=True,
    )
    parameters = GatewayParameters(port=port, auth_token=token, auto_convert=True)
    # pypmml keeps both for the whole process
    Py4jGateway._gateway = JavaGateway(gateway_parameters=parameters)
    Py4jGateway._jvm = Py4jGateway._gateway.jvm
    PMMLContext(gateway_instance=gateway)
    started: subprocess.Popen[bytes] = process
    return started


def close_gateway(process: subprocess.Popen[bytes] | None) -> None:
    """End what `open_gateway` has started; a later one starts anew."""
    from pypmml import PMMLContext

    if process is None:
        return
    if process.poll() is None:
        PMMLContext.shutdown()
    else:
        # to say goodbye to a process that has ended fails, with long traces in the log
        PMMLContext._gateway = PMMLContext._active_pmml_context = None
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
