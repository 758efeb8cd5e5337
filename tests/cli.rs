//! The examples as their user meets them: what a run leaves behind, what it prints, how it resumes, and
//! how everything that can be wrong is said in one line, with a non-zero exit and nothing lost.
#![cfg(all(
    feature = "data",
    feature = "flex",
    feature = "plot",
    feature = "train"
))]

mod runs;

use runs::*;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

#[test]
fn a_run_leaves_what_it_promises_and_runs_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/run");
    let printed = stdout(&run(&out, &[]));

    let last = printed.lines().last().unwrap();
    let metrics = json(&out.join("metrics.json"));
    assert_eq!(metrics["data"], "generated");
    assert_eq!(metrics["device"], "flex");
    assert_eq!(metrics["config"], json(&out.join("config.json")));
    let test = &metrics["epochs"][1]["test"];
    let term = |name: &str| test[name].as_f64().unwrap();
    let want = format!(
        "test: loss {:.2} = reconstruction {:.2} + kl {:.2} nats/image",
        term("loss"),
        term("reconstruction"),
        term("kl")
    );
    assert_eq!(last, want);
    assert!((term("loss") - term("reconstruction") - term("kl")).abs() < 1e-3);
    for name in ["loss", "reconstruction", "kl"] {
        assert!(
            metrics["epochs"][0]["train"][name]
                .as_f64()
                .unwrap()
                .is_finite()
        );
    }
    assert!(
        printed.contains("training on generated digits"),
        "{printed}"
    );

    for picture in [
        "reconstructions.png",
        "samples.png",
        "latent.png",
        "curves.png",
    ] {
        let (width, height) = image::image_dimensions(out.join(picture)).unwrap();
        assert!(width > 300 && height > 100, "{picture} is {width}x{height}");
    }
    assert!(!out.join("manifold.png").exists());
    assert_report(&out, 7);
    let weights = out.join("model.safetensors").metadata().unwrap();
    assert!(weights.len() > 10_000);

    let again = folder.path().join("again");
    stdout(&run(&again, &[]));
    assert_eq!(epochs(&again), epochs(&out));
}

/// `report.html` is whole, and shows at least so many pictures.
fn assert_report(out: &Path, pictures: usize) {
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.ends_with("</html>\n"), "{}", out.display());
    let shown = page.matches("data:image/png;base64,").count();
    assert!(shown >= pictures, "{shown} pictures in {}", out.display());
}

/// What is measured after the training: printed, written down, and on the page; the samples of each epoch.
#[test]
fn a_run_is_judged_and_animated_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("judged");
    let flags = ["--nll", "5", "--judge", "--gif", "--epochs", "4"];
    let printed = stdout(&run(&out, &flags));
    let measured = json(&out.join("evaluation.json"));
    let of = |name: &str| {
        let all = measured.as_array().unwrap();
        let one = all
            .iter()
            .find(|one| one["name"].as_str().unwrap().starts_with(name));
        one.unwrap_or_else(|| panic!("no {name} in {measured}"))
    };
    let nll = of("test NLL, k = 5")["value"].as_f64().unwrap();
    let loss = epochs(&out)[3]["test"]["loss"].as_f64().unwrap();
    assert!(nll < loss, "{nll} is a tighter bound than {loss}");
    assert!(of("test NLL")["standard_error"].as_f64().unwrap() > 0.0);
    assert!(of("Fréchet distance")["value"].as_f64().unwrap() > 0.0);
    for share in ["precision", "recall"] {
        assert!((0.0..=1.0).contains(&of(share)["value"].as_f64().unwrap()));
    }
    for line in [
        "test NLL, k = 5: ",
        "Fréchet distance",
        "information in the code",
        "judge: ",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("test NLL, k = 5") && page.contains("data:image/gif;base64,"));
    for picture in [
        "interpolations.png",
        "traversals.png",
        "arithmetic.png",
        "mixture.png",
    ] {
        assert!(
            image::image_dimensions(out.join(picture)).is_ok(),
            "{picture}"
        );
    }
    // Four frames, of which no two are the same.
    let reader = std::io::BufReader::new(fs::File::open(out.join("samples.gif")).unwrap());
    let decoder = image::codecs::gif::GifDecoder::new(reader).unwrap();
    let frames = image::AnimationDecoder::into_frames(decoder)
        .collect_frames()
        .unwrap();
    assert_eq!(frames.len(), 4);
    assert_ne!(frames[0].buffer(), frames[3].buffer());
    // Of each epoch the model, the optimizer and the rates.
    assert_eq!(fs::read_dir(out.join("checkpoint")).unwrap().count(), 4 * 3);

    // A run that is judged is the same run.
    let plain = folder.path().join("plain");
    stdout(&run(&plain, &["--epochs", "4"]));
    assert_eq!(epochs(&plain), epochs(&out));
    assert!(!plain.join("evaluation.json").exists() && !plain.join("samples.gif").exists());
}

#[test]
fn what_cannot_be_judged_is_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    for (flags, words) in [
        (&["--nll", "0"][..], &["--nll must be at least 1"][..]),
        (
            &["--judge", "--limit", "64"],
            &["--judge needs more than 64 test images, not 64"],
        ),
    ] {
        assert_says(&run(&out, flags), words);
        assert!(!out.exists(), "{flags:?} left something");
    }
}

/// The examples that train several models, and resume none.
#[test]
fn anomalies_are_scored_and_dimensions_counted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("anomaly");
    let small = ["--hidden", "16", "--limit", "300"];
    let flags = [
        &small[..],
        &["--digit", "3", "--draws", "3", "--components", "4"],
    ]
    .concat();
    let printed = stdout(&run_of("anomaly_mnist", &out, &flags));
    let outcome = &json(&out.join("metrics.json"))[0];
    assert_eq!(outcome["digit"], 3);
    for (k, score) in [
        "reconstruction",
        "latent distance",
        "ELBO",
        "importance-weighted",
    ]
    .iter()
    .enumerate()
    {
        let area = outcome["auroc"][k].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&area), "{score}: {area}");
        assert!(
            printed.contains(&format!("{score}: AUROC {area:.3}")),
            "{printed}"
        );
    }
    assert!(image::image_dimensions(out.join("scores-3.png")).is_ok());
    let report = std::fs::read_to_string(out.join("report.html")).unwrap();
    for part in [
        "latent distance",
        "<h2 id=\"s2\">Pictures</h2>",
        "Digit 3",
        "latent_dim",
    ] {
        assert!(report.contains(part), "{part}");
    }
    let out = folder.path().join("none");
    let refused = run_of("anomaly_mnist", &out, &["--digit", "12"]);
    assert_says(
        &refused,
        &["--digit 12 leaves nothing to compare: 0 of 100"],
    );
    assert_says(
        &run_of("anomaly_mnist", &out, &["--draws", "0"]),
        &["--draws must be at least 1"],
    );
    assert!(!out.exists());

    let out = folder.path().join("pca");
    let flags = [&small[..], &["--dims", "2,6"]].concat();
    let printed = stdout(&run_of("pca_mnist", &out, &flags));
    let errors = json(&out.join("metrics.json"));
    for (k, dimensions) in [2, 6].into_iter().enumerate() {
        assert_eq!(errors[k]["dimensions"], dimensions);
        let [pca, autoencoder] =
            ["pca", "autoencoder"].map(|name| errors[k][name].as_f64().unwrap());
        assert!(pca > 0.0 && autoencoder > 0.0);
        assert!(printed.contains(&format!("error {autoencoder:.2} an image, of PCA {pca:.2}")));
    }
    assert!(errors[1]["pca"].as_f64() < errors[0]["pca"].as_f64());
    let report = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert_eq!(report.matches("data:image/png;base64,").count(), 3);
    assert!(report.contains("6 dimensions") && report.contains("epochs"));
    for picture in ["errors.png", "reconstructions.png", "samples.png"] {
        assert!(
            image::image_dimensions(out.join(picture)).is_ok(),
            "{picture}"
        );
    }
    let out = folder.path().join("nothing");
    assert_says(
        &run_of("pca_mnist", &out, &["--dims", "2,0"]),
        &["--dims must be at least 1"],
    );
    assert_says(
        &run_of("pca_mnist", &out, &["--dims", "785"]),
        &["--dims 785 is more than the 784 pixels"],
    );
    let refused = run_of("fashion_vae", &out, &["--around", "100"]);
    assert_says(&refused, &["--around 100: there are only 100 test images"]);
    assert!(!out.exists());
}

#[test]
fn a_latent_plane_is_walked_and_every_likelihood_and_architecture_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("plane");
    stdout(&run(
        &out,
        &[
            "--latent-dim",
            "2",
            "--arch",
            "conv",
            "--beta",
            "2",
            "--warmup-steps",
            "3",
        ],
    ));
    assert_eq!(
        image::image_dimensions(out.join("manifold.png")).unwrap(),
        (15 * 30 + 2, 15 * 30 + 2)
    );
    for kind in [
        "gaussian",
        "learned-gaussian",
        "continuous-bernoulli",
        "laplace",
    ] {
        let printed = stdout(&run(
            &folder.path().join(kind),
            &["--likelihood", kind, "--epochs", "1"],
        ));
        assert!(
            printed.lines().last().unwrap().starts_with("test: loss "),
            "{printed}"
        );
    }
    let weighed = stdout(&run(
        &folder.path().join("beta"),
        &["--beta", "4", "--epochs", "1"],
    ));
    assert!(
        weighed.lines().last().unwrap().contains("+ 4 * kl "),
        "{weighed}"
    );
}

#[test]
fn a_collapsed_posterior_is_said_after_the_warm_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("calm");
    let calm = run(&out, &[]);
    assert!(!String::from_utf8_lossy(&calm.stderr).contains("warning"));
    let test = &epochs(&out)[1]["test"];
    let active = test["active units"].as_f64().unwrap();
    assert!((0.0..=4.0).contains(&active));
    assert!(epochs(&out)[0]["train"]["gradient norm"].as_f64().unwrap() > 0.0);

    // A thousand images are eight steps, and a posterior has a hundred beyond the warm-up.
    let flags = ["--limit", "1000", "--beta", "1000", "--epochs", "20"];
    for (warm_up, first_warning) in [("0", 14), ("40", 19)] {
        let out = folder.path().join(warm_up);
        let collapsed = run(&out, &[&flags[..], &["--warmup-steps", warm_up]].concat());
        assert!(collapsed.status.success());
        let warnings = String::from_utf8_lossy(&collapsed.stderr).into_owned();
        let first = format!(
            "warning: epoch {first_warning}: the posterior has collapsed: 0 of 4 latent coordinates"
        );
        assert!(warnings.starts_with(&first), "{warnings}");
    }
}

#[test]
fn a_run_resumes_after_its_last_finished_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    stdout(&run(&whole, &["--epochs", "3"]));
    stdout(&run(&parts, &["--epochs", "1"]));
    let printed = stdout(&run(&parts, &["--epochs", "3", "--resume"]));
    assert!(printed.contains("resuming after epoch 1"), "{printed}");
    assert_eq!(epochs(&parts), epochs(&whole));

    let again = stdout(&run(&parts, &["--epochs", "3", "--resume"]));
    assert!(again.contains("has finished its 3 epochs"), "{again}");
    assert_eq!(again.lines().last(), printed.lines().last());
}

#[test]
fn a_resume_that_cannot_work_is_refused_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let nothing = run(&out, &["--resume"]);
    assert_says(
        &nothing,
        &["there is no run to resume", "run: it holds no config.json"],
    );
    assert!(!out.exists());

    stdout(&run(&out, &["--epochs", "2"]));
    let before = files(&out);
    let other = run(&out, &["--resume", "--beta", "2"]);
    assert_says(
        &other,
        &["another configuration", "beta is 1.0 there, 2.0 here"],
    );
    for flags in [&["--beta", "2"][..], &[], &["--epochs", "9"]] {
        let says = ["already holds a run", "resume it, or choose another folder"];
        assert_says(&run(&out, flags), &says);
    }
    let other = run(&out, &["--resume", "--limit", "100"]);
    assert_says(&other, &["limit is 200 there, 100 here"]);
    assert_eq!(files(&out), before, "a refused run changed something");

    let weights = out.join("checkpoint/model-2.bpk");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let before = files(&out);
    let broken = run(&out, &["--resume", "--epochs", "3"]);
    assert_says(
        &broken,
        &[
            "checkpoint/model-2.bpk: cannot be read",
            "resume from the epoch before",
        ],
    );
    assert_eq!(files(&out), before, "a refused run changed something");

    // The way out that it names works.
    fs::remove_file(&weights).unwrap();
    let printed = stdout(&run(&out, &["--resume", "--epochs", "3"]));
    assert!(printed.contains("resuming after epoch 1"), "{printed}");

    // A run of several epochs whose checkpoints are gone is not begun again over what it left.
    fs::remove_dir_all(out.join("checkpoint")).unwrap();
    assert_says(
        &run(&out, &["--resume"]),
        &["holds no checkpoint to resume from"],
    );
    fs::write(out.join("config.json"), "{").unwrap();
    assert_says(&run(&out, &[]), &["config.json: is corrupt"]);
}

#[test]
fn sizes_and_numbers_that_cannot_work_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    for (flags, parts) in [
        (
            &["--latent-dim", "0"][..],
            &["latent_dim must be at least 1"][..],
        ),
        (
            &["--latent-dim", "60000000"],
            &["a layer from 400 to 60000000 features has more than"],
        ),
        (&["--hidden", "0"], &["a hidden width must be at least 1"]),
        (&["--batch-size", "0"], &["--batch-size must be at least 1"]),
        (&["--epochs", "0"], &["--epochs must be at least 1"]),
        (&["--limit", "0"], &["--limit must be at least 1"]),
        (&["--lr", "0"], &["--lr must be a positive number"]),
        (&["--lr", "nan"], &["--lr must be a positive number"]),
        (&["--beta=-1"], &["beta must be finite and not negative"]),
        (
            &["--epochs", "many"],
            &["invalid value 'many' for '--epochs"],
        ),
        (
            &["--arch", "transformer"],
            &["invalid value 'transformer'", "mlp, conv"],
        ),
        (&["--no-such-flag"], &["--no-such-flag"]),
        (
            &["--device", "abacus"],
            &[
                "'abacus' is unknown or was not built in",
                "built in: ",
                "flex",
            ],
        ),
        (
            &["--device", "cuda"],
            &[
                "'cuda' is unknown or was not built in",
                "the feature `cuda`",
            ],
        ),
        (&["--out", "/proc/nowhere/run"], &["/proc/nowhere/run"]),
    ] {
        let mut command = Command::new(binary("vae_mnist"));
        command
            .args(["--generated", "--limit", "50", "--out"])
            .arg(&out)
            .args(flags);
        assert_says(&command.output().unwrap(), parts);
        assert!(!out.exists(), "{flags:?} left a folder behind");
    }
    let mut command = Command::new(binary("vae_mnist"));
    command
        .env("BURN_DEVICE", "abacus")
        .args(["--generated", "--out"])
        .arg(&out);
    assert_says(&command.output().unwrap(), &["'abacus' is unknown"]);
    assert!(!out.exists());
}

#[test]
fn an_output_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    fs::write(&out, "mine").unwrap();
    refused(&run(&out, &[]));
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    // A folder with something else in it stays as it is.
    fs::create_dir(folder.path().join("checkpoint")).unwrap();
    fs::write(folder.path().join("checkpoint/mine"), "mine").unwrap();
    let before = files(folder.path());
    assert_says(&run(folder.path(), &[]), &["is not an empty folder"]);
    assert_eq!(files(folder.path()), before);
}

/// Four IDX files of `n` images of 8x8 floats.
fn float_images(n: usize, pixel: impl Fn(usize) -> f32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let header = |kind: u8, shape: &[u32]| -> Vec<u8> {
        let start = [0, 0, kind, shape.len() as u8];
        start
            .into_iter()
            .chain(shape.iter().flat_map(|size| size.to_be_bytes()))
            .collect()
    };
    let mut images = header(0x0d, &[n as u32, 8, 8]);
    images.extend((0..n * 64).flat_map(|i| pixel(i).to_be_bytes()));
    let mut labels = header(8, &[n as u32]);
    labels.extend((0..n).map(|i| (i % 10) as u8));
    for split in ["train", "t10k"] {
        fs::write(
            folder.path().join(format!("{split}-images-idx3-ubyte")),
            &images,
        )
        .unwrap();
        fs::write(
            folder.path().join(format!("{split}-labels-idx1-ubyte")),
            &labels,
        )
        .unwrap();
    }
    folder
}

fn on(data: &Path, out: &Path, flags: &[&str]) -> Output {
    let mut command = command(out);
    command.args([
        "--hidden",
        "16",
        "--latent-dim",
        "2",
        "--batch-size",
        "16",
        "--epochs",
        "2",
    ]);
    command
        .arg("--data-dir")
        .arg(data)
        .args(flags)
        .output()
        .unwrap()
}

#[test]
fn data_that_cannot_be_explained_is_refused_and_a_likelihood_that_can_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let bytes = float_images(40, |i| (i % 256) as f32);
    let outside = on(bytes.path(), &out, &[]);
    assert_says(
        &outside,
        &[
            "training images: values lie in [0, 255]",
            "Gaussian likelihood",
        ],
    );
    assert!(!out.exists());
    let nan = float_images(40, |i| if i == 100 { f32::NAN } else { 0.5 });
    for likelihood in ["bernoulli", "gaussian"] {
        let output = on(nan.path(), &out, &["--likelihood", likelihood]);
        assert_says(&output, &["training images: holds NaN or infinite values"]);
    }
    assert!(!out.exists());
    // Values of any size suit a Gaussian.
    let wide = float_images(40, |i| (i % 7) as f32 - 3.0);
    let printed = stdout(&on(wide.path(), &out, &["--likelihood", "gaussian"]));
    assert!(printed.contains("test: loss"), "{printed}");
}

#[test]
fn an_image_too_small_for_the_convolutions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = tempfile::tempdir().unwrap();
    for split in ["train", "t10k"] {
        let images = [
            &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2][..],
            &[9; 8],
        ]
        .concat();
        fs::write(
            tiny.path().join(format!("{split}-images-idx3-ubyte")),
            images,
        )
        .unwrap();
        let labels = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4];
        fs::write(
            tiny.path().join(format!("{split}-labels-idx1-ubyte")),
            labels,
        )
        .unwrap();
    }
    let output = on(tiny.path(), &folder.path().join("run"), &["--arch", "conv"]);
    assert_says(&output, &["an image of 2x2 is too small for 2 halvings"]);
}

#[test]
fn a_data_folder_that_is_wrong_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    assert_says(
        &on(Path::new("no/such/folder"), &out, &[]),
        &["no/such/folder: is no folder"],
    );
    let empty = tempfile::tempdir().unwrap();
    assert_says(
        &on(empty.path(), &out, &[]),
        &["holds no train-images-idx3-ubyte"],
    );
    let huge = float_images(4, |_| 0.5);
    fs::write(
        huge.path().join("train-images-idx3-ubyte"),
        [0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 28],
    )
    .unwrap();
    assert_says(
        &on(huge.path(), &out, &[]),
        &["train-images-idx3-ubyte: is truncated"],
    );
    // The variable counts as the flag does.
    let output = command(&out)
        .env("MNIST_DIR", "no/such/variable")
        .output()
        .unwrap();
    assert_says(&output, &["no/such/variable: is no folder"]);
    assert!(!out.exists());
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_its_step_and_term() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let large = float_images(200, |i| if i % 3 == 0 { 1e30 } else { -1e30 });
    let output = on(large.path(), &out, &["--likelihood", "gaussian"]);
    assert_says(
        &output,
        &[
            "training stopped: in epoch 1: the loss term 'reconstruction' became inf at training step 1",
        ],
    );
}

#[test]
fn a_loss_that_is_no_number_in_a_later_epoch_keeps_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let flags = ["--likelihood", "gaussian"];
    let data = float_images(40, |i| (i % 3) as f32);
    stdout(&on(data.path(), &out, &[flags, ["--epochs", "1"]].concat()));
    let kept = files(&out.join("checkpoint"));

    // The same labels with other pixels, whose square is beyond f32.
    let broken = float_images(40, |_| 1e30);
    let flags = [&flags[..], &["--epochs", "3", "--resume"]].concat();
    let says = [
        "in epoch 2: the loss term 'reconstruction' became inf at training step 1",
        "run keeps the checkpoint of epoch 1",
    ];
    assert_says(&on(broken.path(), &out, &flags), &says);
    assert_eq!(files(&out.join("checkpoint")), kept);
    assert_eq!(epochs(&out).len(), 1);
    stdout(&on(data.path(), &out, &flags));
    assert_eq!(epochs(&out).len(), 3);
}

#[test]
fn without_a_folder_given_every_run_gets_its_own_and_the_last_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |flags: &[&str]| {
        let mut command = Command::new(binary("vae_mnist"));
        command
            .current_dir(folder.path())
            .args(["--device", "flex"]);
        let output = command
            .args(SMALL)
            .args(["--epochs", "1"])
            .args(flags)
            .output();
        stdout(&output.unwrap())
    };
    assert!(run(&[]).contains("to out/vae_mnist\n"));
    assert!(run(&["--beta", "2"]).contains("to out/vae_mnist-2\n"));
    let resumed = run(&["--beta", "2", "--resume", "--epochs", "2"]);
    assert!(resumed.contains("to out/vae_mnist-2\n"), "{resumed}");
    assert_eq!(epochs(&folder.path().join("out/vae_mnist")).len(), 1);
    assert_eq!(epochs(&folder.path().join("out/vae_mnist-2")).len(), 2);
}

#[test]
fn a_run_is_resumed_on_its_own_data_only() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let data = float_images(40, |i| (i % 3) as f32 / 2.0);
    stdout(&on(data.path(), &out, &[]));
    let other = float_images(44, |_| 0.5);
    let refused = on(other.path(), &out, &["--resume", "--epochs", "3"]);
    assert_says(&refused, &["another configuration", "in data, labels is "]);
    stdout(&on(data.path(), &out, &["--resume", "--epochs", "3"]));
}

/// Without MNIST and without a network, it says so in one line and trains on generated digits.
#[test]
fn without_mnist_and_network_it_trains_on_generated_digits() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&folder.path().join("run"));
    for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(proxy, "http://127.0.0.1:9");
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .env("HOME", folder.path());
    let small = SMALL.into_iter().filter(|flag| *flag != "--generated");
    let printed = stdout(
        &command
            .args(small)
            .args(["--epochs", "1"])
            .output()
            .unwrap(),
    );
    let says = "data: training on generated digits, not on MNIST (it is not on this machine, and";
    assert!(
        printed.lines().next().unwrap().starts_with(says),
        "{printed}"
    );
    assert_eq!(
        json(&folder.path().join("run/metrics.json"))["data"],
        "generated"
    );
}

#[cfg(feature = "wgpu")]
#[test]
fn a_device_without_hardware_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("vae_mnist"));
    for variable in [
        "VK_DRIVER_FILES",
        "VK_ICD_FILENAMES",
        "__EGL_VENDOR_LIBRARY_FILENAMES",
    ] {
        command.env(variable, "/nonexistent");
    }
    command.args(["--device", "wgpu", "--generated", "--limit", "50", "--out"]);
    let output = command.arg(folder.path().join("run")).output().unwrap();
    assert_says(
        &output,
        &["'wgpu' does not exist on this machine", "try `flex`"],
    );
}

/// A table of numbers, whole numbers, categories and missing values, with a row for each of `rows`.
fn csv(folder: &Path, name: &str, rows: std::ops::Range<usize>) -> String {
    let lines = rows.map(|row| match row % 10 {
        3 => "?,1,left\n".to_string(),
        _ => format!("{}.5,{},{}\n", row % 7, row % 4, ["left", "right"][row % 2]),
    });
    let path = folder.join(name);
    let text = "size,visits,kind\n".to_string() + &lines.collect::<String>();
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Takes the checkpoint of the last epoch away, as if the run had been cut off before it was saved.
fn without_last_epoch(out: &Path, last: usize) {
    let ending = format!("-{last}");
    for (path, _) in files(&out.join("checkpoint")) {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if stem.ends_with(&ending) {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_table_is_drawn_filled_scored_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let csv = |name: &str, rows| csv(folder.path(), name, rows);
    let (train, test) = (csv("train.csv", 0..120), csv("test.csv", 40..100));
    let out = folder.path().join("table");
    let small = [
        "--csv", &train, "--hidden", "8", "--latent", "2", "--modes", "2",
    ];
    let small = [&small[..], &["--steps", "60", "--batch-size", "32"]].concat();
    let table_of = |out: &Path, flags: &[&str]| {
        let mut command = command_of("table_vae", out);
        command.args(&small).args(flags).output().unwrap()
    };
    let flags = ["--label", "kind", "--test", &test, "--samples", "50"];
    let printed = stdout(&table_of(&out, &flags));
    for part in ["120 rows of 3 columns", "nearest row seen, drawn", "--test"] {
        assert!(printed.contains(part), "{printed}");
    }
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let (samples, imputed) = (read("samples.csv"), read("imputed.csv"));
    assert!(samples.starts_with("size,visits,kind\n"));
    assert_eq!(
        (samples.lines().count(), imputed.lines().count()),
        (51, 121)
    );
    assert!(!imputed.contains('?'));
    for line in samples.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert!(["0", "1", "2", "3"].contains(&cells[1]), "{line}");
        assert!(["left", "right"].contains(&cells[2]), "{line}");
    }
    let scores = json(&out.join("scores.json"));
    assert_eq!(scores.as_array().unwrap().len(), 60);
    assert_report(&out, 1);

    let whole = epochs(&out);
    without_last_epoch(&out, whole.len());
    let again = stdout(&table_of(&out, &[&flags[..], &["--resume"]].concat()));
    let resumed = format!("resuming after epoch {}", whole.len() - 1);
    assert!(again.contains(&resumed), "{again}");
    assert_eq!(epochs(&out), whole);
    assert_eq!(read("samples.csv"), samples);

    let none = folder.path().join("none");
    let few = self::csv(folder.path(), "few.csv", 0..5);
    for (flags, says) in [
        (&["--csv", &few][..], &["few.csv", "fewer than 20 rows"][..]),
        (&["--csv", "no.csv"], &["no.csv", "cannot be opened"]),
        (&["--label", "class"], &["no column `class`"]),
        (&["--samples", "0"], &["--samples must be at least 1"]),
        (&["--steps", "0"], &["--steps must be at least 1"]),
        (
            &["--test", &few, "--measured", "sizes"],
            &["no column `sizes`"],
        ),
    ] {
        assert_says(&table_of(&none, flags), says);
        assert!(!none.exists(), "{flags:?} left something");
    }
    assert_says(&table_of(&out, &flags), &["already holds a run"]);
}

#[test]
fn sentences_are_drawn_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("words");
    let words_of = |out: &Path, flags: &[&str]| {
        let mut command = command_of("words_vae", out);
        let small = ["--hidden", "8", "--latent-dim", "2", "--sentences", "200"];
        command.args(small).args(flags).output().unwrap()
    };
    let text = folder.path().join("lines.txt");
    fs::write(
        &text,
        ["one two", "two", "three one two", "one"]
            .join("\n")
            .repeat(10),
    )
    .unwrap();
    let text = text.display().to_string();
    let of_text = ["--text", &text, "--epochs"];
    stdout(&words_of(&out, &[&of_text[..], &["1"]].concat()));
    let printed = stdout(&words_of(&out, &[&of_text[..], &["2"]].concat()));
    assert!(printed.contains("resuming after epoch 1"), "{printed}");
    let whole = folder.path().join("whole");
    stdout(&words_of(&whole, &[&of_text[..], &["2"]].concat()));
    assert_eq!(epochs(&out), epochs(&whole));
    let drawn = json(&out.join("sentences.json"));
    assert_eq!(drawn["draws"].as_array().unwrap().len(), 12);
    assert_report(&out, 1);

    let none = folder.path().join("none");
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let latin = written("latin.txt", b"one\ntwo\nth\xe9\n");
    let blank = written("blank.txt", b"one\n\ntwo\n");
    let few = written("few.txt", b"one\ntwo\n");
    for (flags, says) in [
        (
            &["--text", &latin][..],
            &["latin.txt", "line 3 is not UTF-8"][..],
        ),
        (&["--text", &blank], &["blank.txt", "line 2 is empty"]),
        (&["--text", &few], &["few.txt", "fewer than 20 lines"]),
        (&["--sentences", "0"], &["--sentences must be at least 1"]),
        (&["--temperature", "0"], &["temperature"]),
    ] {
        assert_says(&words_of(&none, flags), says);
        assert!(!none.exists(), "{flags:?} left something");
    }
}

/// An example of the family on a few generated digits.
fn run_of(name: &str, out: &Path, flags: &[&str]) -> Output {
    let few = ["--generated", "--limit", "100", "--epochs", "1"];
    command_of(name, out)
        .args(few)
        .args(flags)
        .output()
        .unwrap()
}

/// Every example on images keeps the same promises: pictures, metrics of every term, weights, and a resume
/// that equals a run without a stop.
#[test]
fn every_model_of_the_family_leaves_what_it_promises_and_resumes() {
    type Words = &'static [&'static str];
    let cases: [(&str, Words, Words, Words); 11] = [
        (
            // The critic begins in the second epoch.
            "train_autoencoder_kl",
            &[
                "--channels",
                "4,4",
                "--groups",
                "2",
                "--critic-features",
                "4",
                "--critic-start",
                "15",
            ],
            &["loss", "reconstruction", "kl", "generator", "critic"],
            &["reconstructions.png", "curves.png"],
        ),
        (
            "dae_mnist",
            &["--hidden", "16"],
            &["loss", "reconstruction"],
            &["denoised.png", "curves.png"],
        ),
        (
            "aae_mnist",
            &["--hidden", "16"],
            &["loss", "reconstruction", "critic", "encoder"],
            &[
                "reconstructions.png",
                "samples.png",
                "latent.png",
                "curves.png",
            ],
        ),
        (
            "aae_mnist",
            &[
                "--hidden",
                "16",
                "--prior",
                "mixture",
                "--labels",
                "5",
                "--share",
                "0.5",
                "--encoder",
                "gaussian",
            ],
            &["loss", "reconstruction", "critic", "encoder"],
            &["classes.png", "samples.png", "latent.png", "curves.png"],
        ),
        (
            "vae_gan_mnist",
            &["--filters", "4", "--balance"],
            &["loss", "kl", "features", "decoder", "critic"],
            &["reconstructions.png", "samples.png", "curves.png"],
        ),
        (
            // An epoch has one step: the turn is kept from one run to the next.
            "gan_mnist",
            &["--filters", "4", "--critic-steps", "2"],
            &["loss", "critic", "penalty", "generator"],
            &["samples.png", "curves.png"],
        ),
        (
            "ali_mnist",
            &["--filters", "4"],
            &["loss", "encoder", "decoder", "critic"],
            &["reconstructions.png", "samples.png", "curves.png"],
        ),
        (
            "cvae_mnist",
            &["--hidden", "16"],
            &["loss", "reconstruction", "kl"],
            &["classes.png", "reconstructions.png", "samples.png"],
        ),
        (
            "fashion_vae",
            &["--hidden", "16", "--around", "7"],
            &["loss", "reconstruction", "kl"],
            &["around.png", "manifold.png", "latent.png", "samples.png"],
        ),
        (
            "categorical_vae",
            &["--hidden", "16", "--variables", "5", "--annealing", "0.1"],
            &["loss", "reconstruction", "kl"],
            &["reconstructions.png", "samples.png", "curves.png"],
        ),
        (
            "vq_images",
            &[
                "--quantizer",
                "vq",
                "--codes",
                "5",
                "--features",
                "4",
                "--prior-steps",
                "2",
            ],
            &["loss", "reconstruction", "commitment"],
            &["reconstructions.png", "samples.png", "curves.png"],
        ),
    ];
    for (name, flags, terms, pictures) in cases {
        let folder = tempfile::tempdir().unwrap();
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
        let two = [flags, &["--epochs", "2"]].concat();
        stdout(&run_of(name, &whole, &two));
        stdout(&run_of(name, &parts, flags));
        let resumed = [&two[..], &["--resume"]].concat();
        let printed = stdout(&run_of(name, &parts, &resumed));
        assert!(
            printed.contains("resuming after epoch 1"),
            "{name}: {printed}"
        );
        assert_eq!(epochs(&parts), epochs(&whole), "{name}");

        for split in ["train", "test"] {
            let metrics = &epochs(&whole)[1][split];
            for term in terms {
                assert!(
                    metrics[term].as_f64().unwrap().is_finite(),
                    "{name}: {term}"
                );
            }
            let counted = metrics.get("active units").is_some();
            let more = usize::from(counted);
            assert_eq!(
                metrics.as_object().unwrap().len(),
                terms.len() + more,
                "{name}"
            );
        }
        for picture in pictures {
            let (width, height) = image::image_dimensions(whole.join(picture)).unwrap();
            assert!(
                width > 300 && height > 60,
                "{name}: {picture} is {width}x{height}"
            );
        }
        let weights = whole.join("model.safetensors").metadata().unwrap();
        assert!(weights.len() > 1000, "{name}");
        assert_report(&whole, pictures.len());
    }
}

#[test]
fn every_objective_with_every_penalty_trains_and_every_prior_is_matched() {
    let folder = tempfile::tempdir().unwrap();
    for loss in [
        "non-saturating",
        "minimax",
        "least-squares",
        "hinge",
        "wasserstein",
    ] {
        for penalty in ["none", "spectral", "gradient", "clip"] {
            let out = folder.path().join(format!("{loss}-{penalty}"));
            let flags = ["--loss", loss, "--penalty", penalty, "--filters", "4"];
            stdout(&run_of("gan_mnist", &out, &flags));
            let paid = epochs(&out)[0]["train"]["penalty"].as_f64().unwrap();
            assert_eq!(paid > 0.0, penalty == "gradient", "{loss}, {penalty}");
        }
    }
    for prior in ["mixture", "swiss-roll", "uniform"] {
        let out = folder.path().join(prior);
        stdout(&run_of(
            "aae_mnist",
            &out,
            &["--hidden", "16", "--prior", prior],
        ));
    }
}

#[test]
fn the_family_refuses_what_cannot_work() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let cases: [(&str, &[&str], &str); 17] = [
        (
            "gan_mnist",
            &["--critic-steps", "0"],
            "critic_steps must be at least 1",
        ),
        (
            "gan_mnist",
            &["--critic-lr", "0"],
            "--critic-lr must be a positive number",
        ),
        ("gan_mnist", &["--loss", "chess"], "invalid value 'chess'"),
        (
            "vae_gan_mnist",
            &["--gamma", "0"],
            "gamma must be a positive number",
        ),
        (
            "vae_gan_mnist",
            &["--filters", "0"],
            "number of filters must be at least 1",
        ),
        ("aae_mnist", &["--labels", "10"], "add --prior mixture"),
        (
            "aae_mnist",
            &["--share", "0.5"],
            "--share is that of --labels N",
        ),
        (
            "aae_mnist",
            &["--prior", "mixture", "--labels", "10", "--share", "0"],
            "--share must lie between 0 and 1",
        ),
        (
            "aae_mnist",
            &["--prior", "mixture", "--labels", "10", "--share", "1"],
            "--share must be at most 0.9, not 1",
        ),
        (
            "aae_mnist",
            &["--prior", "mixture", "--labels", "0"],
            "--labels must be at least 1",
        ),
        (
            "aae_mnist",
            &["--prior", "mixture", "--labels", "10000", "--share", "0.5"],
            "images have a label, which is that share or more",
        ),
        (
            "aae_mnist",
            &["--prior", "swiss-roll", "--latent-dim", "3"],
            "--latent-dim 3 does not fit",
        ),
        (
            "ali_mnist",
            &["--latent-dim", "0"],
            "latent_dim must be at least 1",
        ),
        ("dae_mnist", &["--level", "0"], "--level 0 corrupts nothing"),
        (
            "vq_images",
            &["--halvings", "3"],
            "28x28 cannot be halved 3 times",
        ),
        (
            "vq_images",
            &["--levels", "8,1"],
            "coordinate 1 has 1 levels",
        ),
        (
            "vq_images",
            &["--quantizer", "vq", "--codes", "1"],
            "a codebook of 1",
        ),
    ];
    for (name, flags, says) in cases {
        assert_says(&run_of(name, &out, flags), &[says]);
        assert!(!out.exists(), "{name} {flags:?} wrote something");
    }
}

/// A hierarchy leaves pictures of its levels, is gone on with, and refuses by name what cannot work.
#[test]
fn a_hierarchy_shows_its_levels_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let run_in = |out: &Path, more: &[&str]| {
        let mut command = command_of("nvae_images", out);
        command.args(["--generated", "--limit", "24", "--batch-size", "12"]);
        command.args(["--channels", "4", "--latents", "2", "--expansion", "1"]);
        command.args(more).output().unwrap()
    };
    let two = ["--groups", "1,1"];
    let run = |more: &[&str]| run_in(&out, &[&two, more].concat());
    let printed = stdout(&run(&["--epochs", "1", "--nll", "2"]));
    assert!(printed.contains("test NLL, k = 2: "), "{printed}");
    for picture in [
        "samples",
        "temperatures",
        "levels",
        "interpolations",
        "kl",
        "curves",
    ] {
        assert!(out.join(format!("{picture}.png")).exists(), "{picture}");
    }
    assert_report(&out, 6);
    let printed = stdout(&run(&["--epochs", "2", "--interpolate", "2"]));
    assert!(printed.contains("resuming after epoch 1"), "{printed}");
    let other = run(&["--epochs", "2", "--average", "0.5"]);
    assert_says(&other, &["average is 0.99 there, 0.5 here"]);

    let elsewhere = folder.path().join("elsewhere");
    let cases: [(&[&str], &str); 5] = [
        (
            &["--groups", "0,1"],
            "the number of groups of scale 0 must be at least 1",
        ),
        (&["--groups", "1,1,1"], "a side of 28 pixels"),
        (
            &["--temperature", "0"],
            "--temperature must be a positive number",
        ),
        (&["--interpolate", "6"], "there is no level 6"),
        (&["--spectral=-1"], "must be finite and not negative"),
    ];
    for (flags, says) in cases {
        assert_says(&run_in(&elsewhere, flags), &[says]);
        assert!(!elsewhere.exists(), "{flags:?} wrote something");
    }
}

/// A critic that wins is named, with what to do; a loss that is no number ends the run.
#[test]
fn a_game_that_is_lost_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, flags: &[&str]| {
        let out = folder.path().join(name);
        let mut command = command_of("gan_2d", &out);
        command
            .args(["--model", "gan", "--hidden", "16"])
            .args(flags);
        command.output().unwrap()
    };
    let easy = run("easy", &["--steps", "20"]);
    let text = stdout(&easy);
    assert!(
        text.lines().last().unwrap().contains(" of 25 modes"),
        "{text}"
    );
    let metrics = json(&folder.path().join("easy/metrics.json"));
    assert!(metrics["modes"].is_u64() && metrics["high_quality"].is_f64());
    assert!(folder.path().join("easy/samples.png").exists());
    let report = std::fs::read_to_string(folder.path().join("easy/report.html")).unwrap();
    assert!(report.contains("of 25") && report.contains("hidden"));
    let again = refused(&run("easy", &["--steps", "20"]));
    assert!(again.contains("choose another folder"), "{again}");

    let nowhere = run("nowhere", &["--hidden", "0"]);
    assert_says(&nowhere, &["--hidden must be at least 1"]);
    assert!(!folder.path().join("nowhere").exists());

    let lost = run("lost", &["--steps", "50", "--lr", "1e30"]);
    assert_says(&lost, &["the loss term", "a smaller --lr"]);

    let out = folder.path().join("won");
    let flags = ["--filters", "8", "--penalty", "none", "--epochs", "3"];
    let rates = ["--lr", "1e-9", "--critic-lr", "1e-2", "--limit", "1000"];
    let won = run_of("gan_mnist", &out, &[&flags[..], &rates].concat());
    stdout(&won);
    let warning = String::from_utf8_lossy(&won.stderr).into_owned();
    assert!(
        warning.contains("warning: epoch 3: the critic wins outright"),
        "{warning}"
    );
    assert!(
        warning.contains("lower the critic's learning rate"),
        "{warning}"
    );
}

/// What is trained on a folder of pictures is read as weights of diffusers are.
#[test]
fn an_autoencoder_is_trained_for_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let path = |place: u8| pictures.join(format!("{place}.png"));
    for place in 0..20 {
        let colour = |x, y| image::Rgb([12 * place, (9 * x) as u8, (9 * y) as u8]);
        image::RgbImage::from_fn(20, 20, colour)
            .save(path(place))
            .unwrap();
    }
    let out = folder.path().join("run");
    let train = |flags: &[&str]| {
        let mut command = command_of("train_autoencoder_kl", &out);
        command.arg("--pictures").arg(&pictures);
        command.args(["--size", "16", "--epochs", "1", "--channels", "4,4"]);
        command.args([
            "--groups",
            "2",
            "--critic-features",
            "2",
            "--critic-halvings",
            "1",
        ]);
        command.args(flags).output().unwrap()
    };
    for (flags, words) in [
        (&["--size", "15"][..], "2 does not divide both sides"),
        (
            &["--critic-halvings", "3"],
            "16x16 is too small for 3 halvings",
        ),
        (&["--critic-weight=-1"], "must be finite and not negative"),
        (
            &["--critic-lr", "0"],
            "--critic-lr must be a positive number",
        ),
        (
            &["--groups", "3"],
            "cannot be divided into `norm_num_groups`, 3",
        ),
    ] {
        assert_says(&train(flags), &[words]);
        assert!(!out.exists(), "{flags:?} left something");
    }
    let printed = stdout(&train(&["--loss", "l2"]));
    for line in ["peak signal-to-noise ratio, in dB: ", "gradient energy of "] {
        assert!(printed.contains(line), "{printed}");
    }

    let weights = out.join("vae/diffusion_pytorch_model.safetensors");
    let mut command = command_of("autoencoder_kl", &folder.path().join("encoded"));
    command.arg("--weights").arg(weights).arg(path(7));
    let printed = stdout(&command.output().unwrap());
    assert!(
        printed.contains("of 20x20 pixels as a latent of [4, 10, 10]"),
        "{printed}"
    );
}

/// Weights of diffusers, as they are downloaded: a picture through them and back, and what can be wrong about it.
#[test]
fn a_picture_is_encoded_and_decoded_with_diffusers_weights() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/autoencoder_kl/plain");
    let weights = golden.join("diffusion_pytorch_model.safetensors");
    let picture = |name: &str, width, height| {
        let path = folder.path().join(name);
        let colour = |x, y| image::Rgba([(40 * x) as u8, (30 * y) as u8, 99, (9 * x * y) as u8]);
        image::RgbaImage::from_fn(width, height, colour)
            .save(&path)
            .unwrap();
        path
    };
    let run = |name: &str, weights: &Path, picture: &Path, flags: &[&str]| {
        let mut command = command_of("autoencoder_kl", &folder.path().join(name));
        command.arg("--weights").arg(weights).arg(picture);
        command.args(flags).output().unwrap()
    };

    // With an alpha channel, whole, and in tiles of which it has one, and several.
    let even = picture("even.png", 40, 24);
    let mut ratios = Vec::new();
    for (name, flags) in [
        ("whole", &[][..]),
        ("one", &["--tile", "48"]),
        ("tiles", &["--tile", "16"]),
    ] {
        let printed = stdout(&run(name, &weights, &even, flags));
        assert!(
            printed.contains("of 24x40 pixels as a latent of [2, 6, 10]"),
            "{printed}"
        );
        let out = folder.path().join(name);
        let size = |file: &str| image::image_dimensions(out.join(file)).unwrap();
        assert_eq!(size("reconstruction.png"), (40 + 4, 24 + 4));
        assert!(size("latent.png").0 > 20);
        assert_report(&out, 2);
        ratios.push(json(&out.join("metrics.json"))[0]["value"].clone());
    }
    assert_eq!(ratios[0], ratios[1]);
    assert_ne!(ratios[0], ratios[2]);

    let odd = picture("odd.png", 42, 25);
    let printed = stdout(&run("cut", &weights, &odd, &["--crop"]));
    assert!(printed.contains("a latent of [2, 6, 10]"), "{printed}");
    let refused = |name, weights: &Path, picture: &Path, flags: &[&str], words: &[&str]| {
        assert_says(&run(name, weights, picture, flags), words);
        assert!(!folder.path().join(name).exists(), "{name} left something");
    };
    let words = [
        "4 does not divide both sides of an image of 25x42",
        "bring it to 24x40",
    ];
    refused("odd", &weights, &odd, &[], &words);
    refused(
        "tile",
        &weights,
        &even,
        &["--tile", "20"],
        &["must be a multiple of 16"],
    );
    refused(
        "none",
        &weights,
        Path::new("no.png"),
        &[],
        &["no.png", "cannot be read"],
    );
    refused(
        "text",
        &weights,
        &golden.join("config.json"),
        &[],
        &["is no PNG or JPEG"],
    );
    let alone = folder.path().join("alone.safetensors");
    fs::copy(&weights, &alone).unwrap();
    refused(
        "alone",
        &alone,
        &even,
        &[],
        &["config.json", "cannot be read"],
    );
    let other = golden.with_file_name("shifted").join("config.json");
    let flags = ["--config", other.to_str().unwrap()];
    refused(
        "other",
        &alone,
        &even,
        &flags,
        &["does not fit this model", "attentions"],
    );
}
