"""LitServe as a careful user would set it up: the library's own predict, one call per batch of up to 64 requests.

python -m benchmarks.peers.litserve_app w1 MODEL_FOLDER PORT
"""

import sys
import time
from typing import Any

import litserve
import numpy as np

from benchmarks.native import load, prepare
from benchmarks.workloads import WORKLOADS, Workload


class Api(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, workload: Workload, folder: str) -> None:
        super().__init__(max_batch_size=64, batch_timeout=0.005, api_path="/invocations")
        self.workload, self.folder = workload, folder

    def setup(self, device: str) -> None:
        self.model = sleep if self.workload.name == "w4" else load(self.workload, self.folder)
        self.model(prepare(self.workload, self.workload.rows))

    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """Rows; tensors become arrays here, because joining 64 nested lists first would cost more.

        No annotations: LitServe would validate the body with them.
        """
        if not self.workload.columns:
            return np.array(request["inputs"], dtype=np.float32)
        return request["dataframe_split"]["data"]

    def batch(self, inputs: list[Any]) -> tuple[Any, list[int]]:
        counts = [len(rows) for rows in inputs]
        if not self.workload.columns:
            return np.concatenate(inputs), counts
        return prepare(self.workload, [row for rows in inputs for row in rows]), counts

    def predict(self, batch: tuple[Any, list[int]]) -> tuple[Any, list[int]]:
        data, counts = batch
        return self.model(data), counts

    def unbatch(self, output: tuple[Any, list[int]]) -> list[Any]:
        predictions, counts = output
        values, parts, start = predictions.tolist(), [], 0
        for count in counts:
            parts.append(values[start : start + count])
            start += count
        return parts

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predictions": output}


def sleep(frame: Any) -> Any:
    """What the PythonModel of W4 does; its pickle needs MLflow, which a LitServe user would leave behind."""
    time.sleep(0.01)
    return frame["age"].to_numpy()


if __name__ == "__main__":
    server = litserve.LitServer(Api(WORKLOADS[sys.argv[1]], sys.argv[2]), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[3]), generate_client_file=False, log_level="warning")
