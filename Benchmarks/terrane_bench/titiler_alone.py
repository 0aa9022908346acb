"""TiTiler as it comes, on one file: python -m terrane_bench.titiler_alone PORT. Says "ready" when it listens."""

import os
import sys

os.environ.update(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_CACHEMAX="128", GDAL_NUM_THREADS="1", VSI_CACHE="FALSE")

import uvicorn  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from titiler.core.errors import DEFAULT_STATUS_CODES, add_exception_handlers  # noqa: E402
from titiler.core.factory import TilerFactory  # noqa: E402

app = FastAPI()
app.include_router(TilerFactory(add_viewer=False).router)
add_exception_handlers(app, DEFAULT_STATUS_CODES)
print("ready", flush=True)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
