"""Makes the committed protobuf modules from `protos/` (`ruum protos`); a test compares them with what this writes."""

from __future__ import annotations

import sysconfig
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2

ROOT = Path(__file__).resolve().parents[2] / "protos"


def _validation_rules(folder: Path) -> Path:
    """The descriptor of `buf/validate/validate.proto`, which the validator's wheel carries instead of its source."""
    from protovalidate._gen.buf.validate import validate_pb  # noqa: PLC0415  # only needed here, only there

    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb._DESC.proto.to_binary())  # noqa: SLF001
    path = folder / "validate.binpb"
    path.write_bytes(files.SerializeToString())
    return path


def _run(*arguments: str) -> None:
    from grpc_tools import protoc  # noqa: PLC0415  # a development tool: not installed where services run

    beside = Path(sysconfig.get_path("scripts"))
    plugins = [f"--plugin={name}={beside / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    if protoc.main(["protoc", *plugins, *arguments]) != 0:
        raise SystemExit("the protos do not compile: see the lines above")


def image(target: Path, root: Path = ROOT) -> None:
    """Writes all contracts as one descriptor image, which buf lints and compares (`make check`).

    Args:
        target: the file to write.
        root: a folder of contracts; that of an earlier commit is compared with.
    """
    with tempfile.TemporaryDirectory() as folder:
        rules = _validation_rules(Path(folder))
        _run(
            f"-I{root}",
            f"--descriptor_set_in={rules}",
            "--include_source_info",
            "--include_imports",
            f"--descriptor_set_out={target}",
            *sources(root),
        )


def sources(root: Path = ROOT) -> list[str]:
    """The contracts, relative to their folder."""
    return sorted(str(path.relative_to(root)) for path in root.glob("ruum/**/*.proto"))


def generate(target: Path = ROOT) -> None:
    """Writes `*_pb2.py`, `*_pb2.pyi` and the gRPC stubs beside each contract.

    Args:
        target: the folder that stands for `protos/`; a test gives an empty one and compares.
    """
    with tempfile.TemporaryDirectory() as folder:
        rules = _validation_rules(Path(folder))
        out = (f"--python_out={target}", f"--mypy_out=quiet:{target}")
        _run(f"--descriptor_set_in={rules}", *out, "buf/validate/validate.proto")
        grpc = (f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}")
        services = [s for s in sources() if "\nservice " in (ROOT / s).read_text()]
        _run(f"-I{ROOT}", f"--descriptor_set_in={rules}", *out, *sources())
        _run(f"-I{ROOT}", f"--descriptor_set_in={rules}", *grpc, *services)
