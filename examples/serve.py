"""Serve a detector over HTTP: python examples/serve.py DETECTOR [PORT].  docs/how-to/serve.md says what is sent."""

import re
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from das3d_aug.errors import Das3dError
from das3d_ref import Detector
from das3d_ref.evaluation.prediction import read_pair

Text, File = Annotated[str | None, Form()], UploadFile | None


def app_of(detector: Detector, *, most: int = 2**26) -> FastAPI:
    app, turn = FastAPI(title="das3d", max_body_size=most), threading.Lock()  # bytes of a request; one pair at a time

    @app.get("/health")
    def health() -> dict[str, object]:
        return {"status": "ok", "mode": detector.config.mode, "threshold": detector.threshold}

    @app.post("/predict")
    def predict(image: UploadFile, depth: File = None, xyz: File = None, intrinsics: File = None, unit: Text = None):
        files = {"image": image, "depth": depth, "xyz": xyz, "intrinsics": intrinsics}
        with turn, tempfile.TemporaryDirectory() as folder:
            paths = {}
            for name, file in filter(lambda item: item[1] is not None, files.items()):
                suffix = Path(file.filename or "").suffix.lower()
                paths[name] = Path(folder, name + re.sub(r"[^.a-z]", "", suffix)[:8])
                paths[name].write_bytes(file.file.read())
            try:
                found = detector.predict_sample(sample := read_pair(**paths, unit=unit, mode=detector.config.mode))
            except Das3dError as error:
                raise HTTPException(422, str(error).replace(f"{folder}/", "")) from error
        verdict = {"score": found.score, "anomalous": bool(found.label), "p_value": found.p_value}
        return {**verdict, "unlike": found.unlike, "odd": sample.warnings}

    @app.exception_handler(RequestValidationError)
    def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())}, 422)

    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app_of(Detector.load(sys.argv[1])), port=int((*sys.argv, "8000")[2]))
