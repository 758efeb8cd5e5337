"""New rows of tables, and strange ones, beside Python: `python benches/tables.py FOLDER` (ctgan and pyod of PyPI).

FOLDER has the tables as CSV files, and BINARY (target/release/examples/table_vae, unless the environment names another) is
the example. A model draws as many rows as it was trained on; a random forest that is trained on them is tested on rows that
were held out (one trained on the real rows, `real`, is the measure). A model that has seen rows of one class says how
strange other rows are, of that class and of others. Prints a line for each run, and then means over the seeds with their
standard errors. The splits depend on the seed alone: `--models` may take them one by one.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from turns import ROOT, printed

BINARY = os.environ.get("BINARY", ROOT / "target/release/examples/table_vae")
# The label of each table, and the class that is no anomaly.
TABLES = {
    "shuttle": ("Class", "Rad.Flow"),
    "satellite": ("classes", "red soil"),
    "letterrecognition": ("lettr", None),
    "breastcancer": ("Class", None),
}
MODELS = ["real", "ours", "tvae", "anomaly-ours", "anomaly-vae", "anomaly-autoencoder"]


def read(folder, name):
    rows = pd.read_csv(pathlib.Path(folder) / f"{name}.csv.gz")
    return rows.drop(columns="Id", errors="ignore").dropna()


def example(train, seed, *flags):
    """What our example leaves of these rows: its folder, and the seconds that it took from reading to drawing."""
    folder = pathlib.Path(tempfile.mkdtemp())
    train.to_csv(folder / "train.csv", index=False)
    command = [BINARY, "--csv", folder / "train.csv", "--out", folder / "run", "--seed", str(seed), *flags]
    begin = time.time()
    printed(command)
    return folder / "run", time.time() - begin


def drawn(model, train, label, seed, flags):
    """Rows that a model draws, and the seconds that its training took."""
    if model == "real":
        return train, 0.0
    if model == "ours":
        folder, seconds = example(train, seed, "--label", label, *flags)
        return pd.read_csv(folder / "samples.csv"), seconds
    from ctgan import TVAE

    np.random.seed(seed)
    torch.manual_seed(seed)
    begin, tvae = time.time(), TVAE(enable_gpu=False)
    tvae.fit(train, [label])
    return tvae.sample(len(train)), time.time() - begin


def utility(model, name, rows, seed, flags):
    label = TABLES[name][0]
    rows = rows.sample(min(len(rows), 8000), random_state=seed)
    rows = rows[rows.groupby(label)[label].transform("size") >= 5]
    train, test = train_test_split(rows, test_size=0.25, random_state=seed, stratify=rows[label])
    new, seconds = drawn(model, train, label, seed, flags)

    def numbers(rows):
        return rows.drop(columns=label).to_numpy(float)

    forest = RandomForestClassifier(200, random_state=0, n_jobs=2).fit(numbers(new), new[label].astype(str))
    accuracy = (forest.predict(numbers(test)) == test[label].astype(str)).mean()
    # How far drawn rows are from the nearest row of training, beside rows that were held out.
    mean, spread = numbers(train).mean(0), numbers(train).std(0) + 1e-9
    neighbours = NearestNeighbors(n_neighbors=1).fit((numbers(train) - mean) / spread)
    nearest = [neighbours.kneighbors((numbers(some)[:1000] - mean) / spread)[0] for some in (new, test)]
    distance, held_out = (float(np.median(distances)) for distances in nearest)
    return {"accuracy": accuracy, "seconds": seconds, "distance": distance, "held_out": held_out}


def anomaly(model, name, rows, seed, flags):
    label, usual = TABLES[name]
    rows = rows.sample(frac=1, random_state=seed)
    normal, strange = (rows[is_of].drop(columns=label) for is_of in (rows[label] == usual, rows[label] != usual))
    count = min(4000, len(normal) * 3 // 4)
    train = normal[:count]
    parts = [normal[count : count + 1000], strange[:1000]]
    test, is_strange = pd.concat(parts), np.repeat([0, 1], [len(part) for part in parts])
    begin = time.time()
    if model == "anomaly-ours":
        path = pathlib.Path(tempfile.mkdtemp()) / "test.csv"
        test.to_csv(path, index=False)
        folder, seconds = example(train, seed, "--test", path, *flags)
        scores = json.loads((folder / "scores.json").read_text())
    else:
        from pyod.models.auto_encoder import AutoEncoder
        from pyod.models.vae import VAE

        torch.manual_seed(seed)
        detector = {"anomaly-vae": VAE, "anomaly-autoencoder": AutoEncoder}[model]()
        detector.fit(train.to_numpy("float32"))
        seconds = time.time() - begin
        scores = detector.decision_function(test.to_numpy("float32"))
    return {"auroc": roc_auc_score(is_strange, scores), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(1, 6)))
    arguments, flags = parser.parse_known_args()  # the others are the example's
    warnings.filterwarnings("ignore")
    for name in arguments.tables:
        rows = read(arguments.folder, name)
        for model in arguments.models:
            is_anomaly = model.startswith("anomaly")
            if is_anomaly and TABLES[name][1] is None:
                continue
            measure = anomaly if is_anomaly else utility
            runs = []
            for seed in arguments.seeds:
                runs.append(measure(model, name, rows, seed, flags))
                print(json.dumps({"table": name, "model": model, "seed": seed} | runs[-1]), flush=True)
            runs = pd.DataFrame(runs)
            errors = runs.std() / len(runs) ** 0.5
            words = [f"{key} {runs[key].mean():.4f} ± {errors[key]:.4f}" for key in runs]
            print(f"{name}, {model}: {', '.join(words)}", flush=True)


if __name__ == "__main__":
    main()
