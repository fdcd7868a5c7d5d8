"""Renders the Helm chart as Helm would, as far as the chart goes, and checks what comes out.

    render_chart.py CHART VERSION...

Helm itself is a Go program. Its templates are Go's, which a library renders here, with the functions of
Helm's that the chart uses. Each object is validated against the schema of each version of Kubernetes.
"""

import hashlib
import pathlib
import sys

import kubernetes_validate
import yaml
from gotpl import Environment

# Values that turn everything on, or everything off.
VARIANTS = {
    "as it comes": {},
    "everything": {
        "blobs": {"existingSecret": "bucket"},
        "noAuth": True,
        "podMonitor": {"enabled": True, "labels": {"team": "gpu"}, "existingSecret": "metrics-key"},
        "podAnnotations": {"a": "b"},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}},
        "nodeSelector": {"disk": "none"},
        "tolerations": [{"key": "batch", "operator": "Exists"}],
        "extraEnvFrom": [{"secretRef": {"name": "upstreams"}}],
    },
    "nothing": {"serviceAccount": {"create": False}, "podDisruptionBudget": {"enabled": False}},
}


def merged(base, over):
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: merged(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}
    return over


def indented(count, text):
    return "\n".join(" " * count + line if line else line for line in str(text).split("\n"))


class Chart:
    def __init__(self, folder):
        self.folder = folder
        self.values = yaml.safe_load((folder / "values.yaml").read_text())
        self.about = yaml.safe_load((folder / "Chart.yaml").read_text())

    def render(self, over):
        data = {
            "Values": merged(self.values, over),
            "Release": {"Name": "night", "Namespace": "batch", "Service": "Helm"},
            "Chart": {key[0].upper() + key[1:]: value for key, value in self.about.items()},
        }
        helpers = (self.folder / "templates/_helpers.tpl").read_text()
        for path in sorted((self.folder / "templates").iterdir()):
            if path.name.startswith("_"):
                continue
            text = self.text(helpers + path.read_text(), data)
            if "<no value>" in text:
                sys.exit(f"error: {path}: something that it names is not there:\n{text}")
            yield path, text

    def text(self, source, data):
        helpers = (self.folder / "templates/_helpers.tpl").read_text()

        def include(name, data):
            return self.text(helpers + '{{ template "%s" . }}' % name, data).strip("\n")

        functions = {
            "include": include,
            "toYaml": lambda value: yaml.safe_dump(value, sort_keys=False).rstrip("\n"),
            "indent": indented,
            "nindent": lambda count, text: "\n" + indented(count, text),
            "quote": lambda text: '"%s"' % str(text).replace("\\", "\\\\").replace('"', '\\"'),
            "default": lambda other, value=None: value or other,
            "contains": lambda part, whole: part in whole,
            "trunc": lambda count, text: text[:count],
            "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
            "list": lambda *items: list(items),
            "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
        }
        return Environment(functions=functions).from_string(source).render(data)


def main():
    chart, versions = Chart(pathlib.Path(sys.argv[1])), sys.argv[2:]
    for name, over in VARIANTS.items():
        kinds = []
        for path, text in chart.render(over):
            if path.suffix != ".yaml":
                continue
            for thing in filter(None, yaml.safe_load_all(text)):
                kinds.append(thing["kind"])
                if thing["apiVersion"].startswith("monitoring.coreos.com/"):
                    continue  # An operator's, of which Kubernetes knows nothing.
                for version in versions:
                    kubernetes_validate.validate(thing, version, strict=True)
        print(f"{name}: {len(kinds)} objects: {', '.join(kinds)}")


main()
