"""Hostile documents and archives: deep, huge, ambiguous, with numbers that are none, names that lead elsewhere."""

import functools
import gzip
import io
import json
import struct
import tarfile
import zlib

from tests.fuzz.targets import GOLDEN, TARGETS, seeds

_HUGE = "9" * 4000
_ODD = (
    "null", "true", "-1", "0", "1e308", "-1e-320", "9" * 99, "NaN", "-Infinity", '""', '"\\u0000"', '"\\ud800"',
    '"/etc/passwd"', '"../../../.."', f'"{"x" * 5000}"', "[]", "{}", "[[]]",
    '[{"a": [null]}]', '{"\\ud800": "\\u0000"}',
)  # fmt: skip


def jsons():
    wide = json.dumps({**{f"a{k}": 1 for k in range(10_000)}, "x": [{}] * 25_000})
    return {
        "json-deep": b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
        "json-31-levels": b'{"a":' * 31 + b"1" + b"}" * 31,
        "json-list-deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "json-number-of-4000-digits": f'{{"a": {_HUGE}}}'.encode(),
        "json-float-of-4000-digits": f'{{"fx": {_HUGE}.{_HUGE}e{_HUGE}}}'.encode(),
        "json-nan": b'{"a": NaN, "b": [Infinity, -Infinity]}',
        "json-twice-a-key": b'{"a": 1, "a": 2}',
        "json-surrogate": b'{"\\ud800": "\\udfff"}',
        "json-zero-byte": b'{"a": "\0"}',
        "json-a-million-values": b'{"a": [' + b"1," * 2**20 + b"1]}",
        "json-many-names-above-many-parts": wide.encode(),
        "json-utf-16-half": b'\xff\xfe{\0"\0a',
        "json-utf-32": '{"a": 1}'.encode("utf-32"),
        "json-is-a-list": b"[1]",
        "json-unclosed": b'{"a": "' + b"\\" * 9999,
    }


def tomls():
    return {
        "toml-key-of-10000-parts": b"a" + b".a" * 10_000 + b" = 1\n",
        "toml-table-of-10000-parts": b"[a" + b".a" * 10_000 + b"]\n",
        "toml-deep": b"a = " + b"[" * 5000 + b"]" * 5000,
        "toml-inline-deep": b"a = " + b"{b = " * 5000 + b"1" + b"}" * 5000,
        "toml-10000-tables": b"[[a]]\n" * 10_000,
        "toml-30000-values": b"a = [" + b"1," * 30_000 + b"]",
        "toml-nan": b"area = nan\nmagnitude = [-inf, inf]\n",
        "toml-huge": f"size = {_HUGE}\n".encode(),
        "toml-hex-of-60000-digits": b"size = 0x" + b"f" * 60_000,
        "toml-date": b"area = 9999-12-31T23:59:60Z\n",
        "toml-none": b'kinds = "none"\ncount = "none"\nprobability = "none"\n',
        "toml-words": b'size = ["a", "b"]\nkinds = ["crack"]\nmodality = ["rgb"]\n',
        "toml-weights": b"kinds = { crack = -1e308, hole = 1e308 }\nplacement = { anywhere = 0 }\n",
        "toml-backwards": b"area = [0.3, 0.1]\ncount = [32, 1]\n",
        "toml-control": b"a = '\x01'\n",
        "toml-quotes": b"'" * 65_000,
    }


def yamls():
    most = 2**18 - 32
    return {
        "yaml-100000-values": b"a: [" + b"1," * (most // 2) + b"1]",
        "yaml-80000-lists": b"a: [" + b"[]," * (most // 3) + b"1]",
        "yaml-20000-keys": b"".join(b"a%d: .5\n" % k for k in range(20_000)),
        "yaml-laughs": b"a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n",
        "yaml-anchors": b"a: " + b"&a " * 60_000,
        "yaml-python": b"a: !!python/object/apply:os.system ['true']\n",
        "yaml-set-of-nan": b"a: !!set {.nan, .inf}\n",
        "yaml-pairs": b"normalization: !!omap [min: .nan, max: 1]\n",
        "yaml-merge": b"<<: {fx: 1}\nfx: 2\n",
        "yaml-key-is-a-list": b"? [a]\n: 1\n",
        "yaml-key-is-nan": b".nan: 1\nnull: 2\ntrue: 3\n1: 4\n",
        "yaml-sexagesimal": b"fx: " + b"1:" * 100_000 + b"1\n",
        "yaml-date": b"min: 0001-01-01\nmax: 9999-12-31 23:59:59.9 -99:99\n",
        "yaml-binary": b"normalization: {min: !!binary AAAA, max: !!binary '='}\n",
        "yaml-deep-dashes": b"- " * 60_000,
        "yaml-blank": b"\n" * most,
        "yaml-one-scalar": b"a: '" + b"\n" * most + b"'",
        "yaml-tags": b"a: !" + b"%41" * (most // 3),
        "yaml-two-documents": b"a: 1\n--- \n" * 9000,
        "yaml-opencv-huge": b"%YAML:1.0\n---\nK: !!opencv-matrix {rows: 99999999, cols: 99999999, dt: d, data: []}\n",
        "yaml-anomalous-true": b"anomalous: true\n",
        "yaml-anomalous-list": b"anomalous: [1]\n",
        "yaml-min-is-a-list": b"normalization: {min: [], max: {}}\n",
        "yaml-range-overflows": b"normalization: {min: -1e308, max: 1e308}\n",
    }


def xmls():
    return {
        "xml-laughs": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        "xml-outside": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "xml-deep": b"<a>" * 30_000 + b"</a>" * 30_000,
        "xml-60000-parts": b"<a>" + b"<b/>" * 60_000 + b"</a>",
        "xml-100000-numbers": b"<a><K><data>" + b"1 " * 100_000 + b"</data></K></a>",
        "xml-long-number": b"<a><fx>" + b"9" * 200_000 + b"</fx></a>",
        "xml-nan": b"<a><fx>nan</fx><fy>inf</fy><cx>1</cx><cy>1</cy></a>",
        "xml-utf-7": b"<?xml version='1.0' encoding='utf-7'?><a/>",
        "xml-surrogate": b"<a>&#xd800;</a>",
    }


def mats():
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"

    def part(kind, data):
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    def variable(name=b"fx", shape=(1, 1), data=bytes(8), kind=6):
        dimensions = struct.pack(f"<{len(shape)}i", *shape)
        return part(14, part(6, struct.pack("<II", kind, 0)) + part(5, dimensions) + part(1, name) + part(9, data))

    def packed(data):
        small = zlib.compress(data, 9)
        return struct.pack("<II", 15, len(small)) + small

    whole = variable()
    return {
        "mat-name-of-100-mb": head + packed(variable(name=b"a" * 10**8)),
        "mat-number-of-100-mb": head + packed(variable(data=bytes(10**8))),
        "mat-packed-in-packed": head + packed(packed(whole)),
        "mat-packed-nothing": head + struct.pack("<II", 15, 0) * 9,
        "mat-packed-garbage": head + struct.pack("<II", 15, 99) + bytes(99),
        "mat-4-gib": head + struct.pack("<II", 14, 2**32 - 1) + whole[8:],
        "mat-name-of-4-gib": head + whole.replace(b"\1\0\0\0\2\0\0\0fx", b"\1\0\0\0\xff\xff\xff\xfffx"),
        "mat-shape-below-0": head + variable(shape=(-1, -1)),
        "mat-40-axes": head + variable(shape=(1,) * 40),
        "mat-shape-is-a-lie": head + variable(shape=(8, 8)),
        "mat-numbers-are-text": head + variable(kind=4),
        "mat-numbers-are-objects": head + variable(kind=3),
        "mat-numbers-are-cells": head + variable(kind=1),
        "mat-is-sparse": head + variable(kind=5),
        "mat-is-complex": head + variable(kind=6 | 0x800),
        "mat-5000-variables": head + whole * 3000,
        "mat-of-version-4": struct.pack("<5i", 0, 2**31 - 1, 2**31 - 1, 0, 3) + b"fx\0" + bytes(99),
        "mat-of-version-4-of-4-gib": bytes.fromhex(
            "00000000000000040000000000000400fc4d4154250000004c41fc4d4154250000004c4142"
        ),
        "mat-of-version-7.3": b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<H", 0x200) + b"IM" + bytes(999),
    }


def tars():
    def tar(*members, form=tarfile.USTAR_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=form) as file:
            for name, kind, link, data in members:
                member = tarfile.TarInfo(name)
                member.type, member.linkname, member.size = kind, link, len(data)
                file.addfile(member, io.BytesIO(data))
        return stream.getvalue()

    def plain(name, data=b"{}"):
        return name, tarfile.REGTYPE, "", data

    def summed(header):
        blank = header[:148] + b" " * 8 + header[156:]
        return header[:148] + b"%06o\0 " % sum(blank[:512]) + header[156:]

    whole = tar(plain("000000.json"))
    size = slice(124, 136)

    def sized(text):
        return summed(whole[: size.start] + text.ljust(12, b"\0") + whole[size.stop :])

    shard = (GOLDEN / "aug-0.1.0/webdataset/shard-000000.tar").read_bytes()
    return {
        "tar-texture-of-no-name": shard.replace(b"procedural/", b"p)ocedural/"),
        "tar-leads-out": tar(plain("../../000000.json")),
        "tar-absolute": tar(plain("/etc/000000.json")),
        "tar-link": tar(("000000.json", tarfile.SYMTYPE, "/etc/passwd", b"")),
        "tar-hard-link": tar(("000000.json", tarfile.LNKTYPE, "000000.json", b"")),
        "tar-device": tar(("000000.json", tarfile.CHRTYPE, "", b"")),
        "tar-pipe": tar(("000000.json", tarfile.FIFOTYPE, "", b"")),
        "tar-sparse": summed(whole[:156] + b"S" + whole[157:]),
        "tar-long-name": tar(plain("a" * 5000 + ".json"), form=tarfile.GNU_FORMAT),
        "tar-pax": tar(plain("é" * 200 + ".json"), form=tarfile.PAX_FORMAT),
        "tar-8-gib": sized(b"77777777777"),
        "tar-size-below-0": sized(b"\xff" * 12),
        "tar-size-of-2-to-the-80": sized(b"\x80" + b"\xff" * 11),
        "tar-size-is-no-number": sized(b"9z"),
        "tar-wrong-sum": whole[:148] + b"0000000\0" + whole[156:],
        "tar-name-of-lines": tar(plain("0\n0.json")),
        "tar-name-of-bytes": summed(b"\xff\xfe.json".ljust(100, b"\0") + whole[100:]),
        "tar-same-twice": tar(plain("0.json"), plain("0.json")),
        "tar-sample-twice": tar(plain("0.json"), plain("1.json"), plain("0.rgb.png")),
        "tar-10000-members": tar(*(plain(f"{k}.json") for k in range(3000))),
        "tar-gz": gzip.compress(whole),
        "tar-of-zeros": bytes(2**16),
    }


def tensors():
    def tensor(header, data=bytes(8), size=None):
        return struct.pack("<Q", len(header) if size is None else size) + header + data

    def one(shape="[2]", kind='"F32"', ends="[0,8]", about=""):
        return tensor(f'{{{about}"network.a":{{"dtype":{kind},"shape":{shape},"data_offsets":{ends}}}}}'.encode())

    kinds = ("BOOL", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F4", "F6_E2M3", "C64", "U64", "F64", "X", "")
    return {
        "safetensors-header-of-2-to-the-63": tensor(b"{}", size=2**63),
        "safetensors-no-header": tensor(b""),
        "safetensors-deep": tensor(b'{"a":' * 9000 + b"1" + b"}" * 9000),
        "safetensors-ends-backwards": one(ends="[8,0]"),
        "safetensors-ends-far": one(ends="[0,9223372036854775808]"),
        "safetensors-shape-overflows": one(shape="[4294967296,4294967296,4]"),
        "safetensors-shape-of-0-by-2-to-the-63": one(shape="[0,9223372036854775807]", ends="[0,0]"),
        "safetensors-shape-of-70-axes": one(shape=f"[{','.join(['1'] * 70)},2]"),
        "safetensors-about-is-no-text": one(about='"__metadata__":{"das3d":1},'),
        "safetensors-about-is-deep": one(about='"__metadata__":{"das3d":"' + "[" * 9999 + '"},'),
        "safetensors-about-is-odd": one(about='"__metadata__":{"das3d":"{\\"format\\":[]}"},'),
        **{f"safetensors-of-{kind or 'nothing'}": one(kind=f'"{kind}"', shape="[1]") for kind in kinds},
    }


def tables():
    return {
        "csv-field-of-200000": b"image,split\n" + b"a" * 200_000 + b",train\n",
        "csv-quote-without-end": b'image,split\n"' + b"a\n" * 50_000,
        "csv-zero-byte": b"image,split\n\0,\0\n",
        "csv-short-rows": b"image,split\na\n,\nb,train,x,y\n",
        "csv-columns-twice": b"image,image,split,split\na,b,c,d\n",
        "csv-latin-1": b"image,split\n\xe9,train\n",
        "csv-split-is-a-path": b"object,split,label,image,mask\ncandle,../../x,n,candle/Data/Images/Normal/0000.png,\n",
        "csv-empty": b"",
    }


def parts():
    """Return parts of a task's manifest."""
    head, *samples = map(json.loads, seeds(TARGETS["task"])[0].splitlines())

    def part(sample=None, first=head, **values):
        lines = ({**first, **values}, {**samples[0], **(sample or {})}, *samples[1:])
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    whole = samples[0]["sha256"]
    return {
        "jsonl-tasks-of-99-digits": part(tasks=10**99 - 1),
        "jsonl-no-tasks": part(tasks=0),
        "jsonl-task-below-0": part(task=-5),
        "jsonl-of-another-task": part(task=1, tasks=9),
        "jsonl-asked-of-1e308": part(asked=1e308),
        "jsonl-failures-of-two-kinds": part(failures=[[1, "a", "b"], ["x", "a", "b"]]),
        "jsonl-failures-of-lists": part(failures=[[1, ["a"], {}]]),
        "jsonl-warnings-of-numbers": part(about={**head["about"], "source_warnings": [[1, 2]]}),
        "jsonl-common-no-text": part(common={"\ud800": "\udfff"}),
        "jsonl-common-of-lists": part(common={"a": [[1]]}),
        "jsonl-path-no-text": part({"sha256": {"\ud800": "0", **whole}}),
        "jsonl-path-of-zero-bytes": part({"sha256": {"recipes/\0.json": "0"}}),
        "jsonl-path-leads-out": part({"sha256": {"../../../etc/passwd": "0"}}),
        "jsonl-digest-is-a-list": part({"sha256": {**whole, "a": [1]}, "figures": 0}),
        "jsonl-no-digests": part({"sha256": {}}),
        "jsonl-figures-of-1e308": part(
            {"figures": [{"measured": {"pixels": -1, "area": 1e308, "part": {"low": 1e308}}}]}
        ),
        "jsonl-without-an-end": b"".join(part().splitlines(keepends=True)[:-2]),
        "jsonl-end-is-a-lie": part().replace(b'{"end": 2}', b'{"end": 1}'),
        "jsonl-begins-with-a-sample": part(first={}, **samples[0]),
        "jsonl-one-line-of-34-mb": part(note="a" * 34_000_000),
    }


def changed():
    """Yield whole documents of ours with one value replaced by another kind, at all depths."""
    record = json.loads(seeds(TARGETS["sample-recipe"])[0])
    for number, value in enumerate(_ODD):
        for key in ("sample", "depth_png", "foreground"):
            text = json.dumps(record | {key: "\0odd"}).replace('"\\u0000odd"', value)
            yield "sample-recipe", f"sample-recipe-{key}-{number}", text.encode()
    for name, target in TARGETS.items():
        for data in seeds(target)[:2]:
            lines = data.splitlines(keepends=True) if target.file.endswith(".jsonl") else [data]
            for at, line in enumerate(lines if data[:1] == b"{" else ()):
                document = json.loads(line)
                for number, (holder, key) in enumerate(_places(document)):
                    kept, holder[key] = holder[key], "\0odd"
                    text = json.dumps(document) + "\n" * (at + 1 < len(lines))
                    holder[key] = kept
                    odd = _ODD[number % len(_ODD)], _ODD[(7 * number + 3) % len(_ODD)]
                    for which, value in enumerate(odd):
                        changed = text.replace('"\\u0000odd"', value).encode()
                        what = f"{name}-{at}-{number}-{which}"
                        yield name, what, b"".join((*lines[:at], changed, *lines[at + 1 :]))


def _places(document):
    for key in list(document) if isinstance(document, dict) else range(min(len(document), 2)):
        yield document, key
        if isinstance(document[key], (dict, list)):
            yield from _places(document[key])


@functools.cache
def files():
    """Return the hostile files by what they are; the first word is the type that they claim."""
    return {**jsons(), **tomls(), **yamls(), **xmls(), **mats(), **tars(), **tensors(), **tables(), **parts()}
