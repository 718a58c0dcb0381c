"""A folder served with what one would take for that: StaticFiles, and the least that stores a file durably."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["plain_files"]


def plain_files(folder: str) -> None:
    """Serve a folder until the process is ended."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    async def put(request: Request) -> Response:
        return await _stored(request, os.path.join(folder, request.path_params["name"]))

    static = StaticFiles(directory=folder)
    app = Starlette(routes=[Route("/files/{name}", put, methods=["PUT"]), Mount("/files", static)])
    config = uvicorn.Config(app, port=0, access_log=False, log_config=None)
    listener = config.bind_socket()
    listener.listen(2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]} serves", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


async def _stored(request: Request, name: str) -> Response:
    import anyio
    from starlette.responses import Response

    async with await anyio.open_file(f"{name}.tmp", "wb") as file:
        async for data in request.stream():
            await file.write(data)
        await file.flush()
        await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
    await anyio.to_thread.run_sync(_into_place, name)
    return Response(status_code=201)


def _into_place(name: str) -> None:
    os.replace(f"{name}.tmp", name)
    descriptor = os.open(os.path.dirname(name), os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
