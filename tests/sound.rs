//! Sound: files of every width and rate, companding, spectrograms, and the linear predictor as a proper code.
#![cfg(feature = "sound")]

mod common;

use burn::prelude::*;
use burn_generative::data::sound::{LinearPredictorConfig, MuLaw, Sound, Sounds, Spectrogram};
use burn_generative::metric::Estimate;
use common::{assert_close, cpu, values};
use hound::{SampleFormat, WavSpec, WavWriter};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use std::f64::consts::{E, TAU};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> WavSpec {
    WavSpec {
        channels,
        sample_rate,
        bits_per_sample,
        sample_format: SampleFormat::Int,
    }
}

fn write(path: impl AsRef<Path>, spec: WavSpec, numbers: &[i32]) {
    let mut writer = WavWriter::create(path, spec).unwrap();
    numbers
        .iter()
        .for_each(|&number| writer.write_sample(number).unwrap());
    writer.finalize().unwrap();
}

/// A tone of a frequency in hertz.
fn tone(frequency: f64, amplitude: f64, count: usize, rate: u32) -> Sound {
    let angle = |t: usize| TAU * frequency * t as f64 / f64::from(rate);
    let samples = (0..count).map(|t| (amplitude * angle(t).sin()) as f32);
    Sound::new(samples.collect(), rate).unwrap()
}

#[track_caller]
fn assert_refused<T: Debug>(result: burn_generative::Result<T>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

// Files.

#[test]
fn every_width_is_read_and_channels_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.wav");
    for bits in [8, 16, 24, 32] {
        let half = 1i32 << (bits - 2);
        write(
            &path,
            spec(2, 16_000, bits),
            &[half, half, -half, 0, -2 * half, -2 * half],
        );
        let sound = Sound::open(&path).unwrap();
        assert_eq!(sound.samples(), [0.5, -0.25, -1.0], "{bits} bits");
        assert_eq!(sound.rate(), 16_000);
    }
    let floats = WavSpec {
        sample_format: SampleFormat::Float,
        ..spec(1, 8_000, 32)
    };
    let mut writer = WavWriter::create(&path, floats).unwrap();
    for sample in [0.1f32, -1.5] {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    assert_eq!(Sound::open(&path).unwrap().samples(), [0.1, -1.5]);
}

#[test]
fn a_file_of_16_bits_is_written_as_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["a.wav", "b.wav"].map(|name| folder.path().join(name));
    let numbers = [0, 1, -1, 12_345, 32_767, -32_768];
    write(&first, spec(1, 22_050, 16), &numbers);
    Sound::open(&first).unwrap().save(&second).unwrap();
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());

    let loud = Sound::new(vec![1.0, -7.0], 8_000).unwrap();
    loud.save(&second).unwrap();
    let clipped = Sound::open(&second).unwrap();
    assert_eq!(clipped.samples(), [32_767.0 / 32_768.0, -1.0]);
}

#[test]
fn bad_files_are_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sound.wav");
    assert_refused(Sound::open(&path), &["sound.wav", "cannot be opened"]);
    fs::write(&path, "no sound at all, but a text").unwrap();
    assert_refused(Sound::open(&path), &["sound.wav", "is no WAV file"]);
    fs::write(&path, "").unwrap();
    assert_refused(Sound::open(&path), &["sound.wav", "is no WAV file"]);

    write(&path, spec(1, 8_000, 16), &[1; 100]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let parts = [
        "sound.wav",
        "truncated",
        "claims 100 numbers, but it holds 90",
    ];
    assert_refused(Sound::open(&path), &parts);
    fs::write(&path, &bytes[..20]).unwrap();
    assert_refused(Sound::open(&path), &["sound.wav", "ends within its header"]);

    write(&path, spec(1, 8_000, 16), &[]);
    assert_refused(Sound::open(&path), &["sound.wav", "holds no sample"]);
    for rate in [0u32, 2_000_000_000] {
        let mut bytes = bytes.clone();
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        bytes[28..32].copy_from_slice(&(2 * rate).to_le_bytes()); // bytes a second
        fs::write(&path, bytes).unwrap();
        let words = format!("a rate of {rate} samples a second; 1000 to 768000");
        assert_refused(Sound::open(&path), &["sound.wav", &words]);
    }
    let not_a_number = WavSpec {
        sample_format: SampleFormat::Float,
        ..spec(1, 8_000, 32)
    };
    let mut writer = WavWriter::create(&path, not_a_number).unwrap();
    writer.write_sample(f32::NAN).unwrap();
    writer.finalize().unwrap();
    assert_refused(Sound::open(&path), &["sound.wav", "NaN as number 0"]);
}

#[test]
fn bad_sounds_are_refused() {
    assert_refused(Sound::new(vec![], 8_000), &["no sample"]);
    assert_refused(Sound::new(vec![0.0, f32::NAN], 8_000), &["sample 1", "NaN"]);
    assert_refused(Sound::new(vec![0.0], 0), &["rate of 0"]);
    let sound = Sound::new(vec![0.0; 100], 8_000).unwrap();
    assert_refused(sound.resampled(0), &["rate of 0"]);
    assert_refused(
        Spectrogram::new(&sound, 101, 10, &cpu()),
        &["100 samples is shorter"],
    );
    assert_refused(
        Spectrogram::new(&sound, 64, 0, &cpu()),
        &["64 samples, 0 apart"],
    );
    let nowhere = sound.save("/no/such/folder/sound.wav");
    assert_refused(nowhere, &["/no/such/folder/sound.wav"]);
}

/// A folder of seven files, three of them farther down, beside what is no sound.
fn folder_of_sounds() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("b").join("deep");
    fs::create_dir_all(&deep).unwrap();
    fs::write(folder.path().join("notes.txt"), "no sound").unwrap();
    fs::write(folder.path().join(".hidden.wav"), "no sound").unwrap();
    for (index, name) in ["a.wav", "c.WAV", "d.wav", "e.wav"].into_iter().enumerate() {
        let numbers = vec![index as i32 * 1_000; 250];
        write(folder.path().join(name), spec(1, 8_000, 16), &numbers);
    }
    for (index, name) in ["1.wav", "2.wav", "3.wav"].into_iter().enumerate() {
        let numbers = vec![(index as i32 + 10) * 1_000; 100];
        write(deep.join(name), spec(1, 8_000, 16), &numbers);
    }
    folder
}

#[test]
fn folders_are_read_in_order_split_by_file_and_cut() {
    let folder = folder_of_sounds();
    let sounds = Sounds::open(folder.path(), 8_000).unwrap();
    let name = |path: &Path| path.strip_prefix(folder.path()).unwrap().to_path_buf();
    let names: Vec<PathBuf> = sounds.iter().map(|(path, _)| name(path)).collect();
    let wanted = [
        "a.wav",
        "b/deep/1.wav",
        "b/deep/2.wav",
        "b/deep/3.wav",
        "c.WAV",
        "d.wav",
        "e.wav",
    ];
    assert_eq!(names, wanted.map(PathBuf::from));
    assert_close(sounds.seconds(), 1_300.0 / 8_000.0, 1e-9, "seconds");

    let pieces = sounds.pieces(100, &cpu()).unwrap();
    assert_eq!(pieces.dims(), [11, 100]); // two of each file of 250
    let firsts: Vec<f64> = values(pieces.narrow(1, 0, 1));
    let wanted =
        [0, 0, 10, 11, 12, 1, 1, 2, 2, 3, 3].map(|level| f64::from(level) * 1_000.0 / 32_768.0);
    assert_eq!(firsts, wanted);

    let (train, test) = sounds.split(0.3, 1).unwrap();
    assert_eq!((train.len(), test.len()), (5, 2));
    let mut both: Vec<&Path> = train
        .iter()
        .chain(test.iter())
        .map(|(path, _)| path)
        .collect();
    both.sort();
    assert!(both.into_iter().eq(sounds.iter().map(|(path, _)| path)));

    let one = Sounds::open(folder.path().join("a.wav"), 4_000).unwrap();
    assert_eq!(
        (one.len(), one.pieces(125, &cpu()).unwrap().dims()),
        (1, [1, 125])
    );
    assert_refused(one.split(0.5, 1), &["1 files", "both parts need a file"]);
    assert_refused(one.pieces(126, &cpu()), &["a.wav", "longest file has 125"]);
    assert_refused(one.pieces(0, &cpu()), &["length of a piece"]);
}

#[test]
fn bad_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "no sound").unwrap();
    let parts = [folder.path().to_str().unwrap(), "no file in it", ".wav"];
    assert_refused(Sounds::open(folder.path(), 8_000), &parts);
    assert_refused(
        Sounds::open(folder.path().join("none"), 8_000),
        &["none", "cannot be opened"],
    );
    fs::write(folder.path().join("bad.wav"), "no sound").unwrap();
    assert_refused(
        Sounds::open(folder.path(), 8_000),
        &["bad.wav", "is no WAV file"],
    );
}

// Rates.

/// Amplitude and delay of a tone in samples, and the greatest that is none of it.
fn heard(samples: &[f32], frequency: f64, rate: u32) -> [f64; 3] {
    let step = TAU * frequency / f64::from(rate);
    // The least squares fit of a sine and a cosine.
    let wave = |t: usize| nalgebra::Vector2::new((step * t as f64).sin(), (step * t as f64).cos());
    let at = |t: usize| f64::from(samples[t]);
    let (mut squares, mut products) = (nalgebra::Matrix2::zeros(), nalgebra::Vector2::zeros());
    let inside = samples.len() / 5..samples.len() * 4 / 5;
    for t in inside.clone() {
        squares += wave(t) * wave(t).transpose();
        products += wave(t) * at(t);
    }
    let parts = squares.try_inverse().unwrap() * products;
    let left = inside.map(|t| (at(t) - parts.dot(&wave(t))).abs());
    [
        parts.norm(),
        -parts.y.atan2(parts.x) / step,
        left.fold(0.0, f64::max),
    ]
}

#[test]
fn a_resampled_tone_is_the_tone_at_that_rate() {
    for (from, to) in [
        (44_100, 8_000),
        (22_050, 8_000),
        (8_000, 16_000),
        (11_025, 44_101),
    ] {
        let sound = tone(700.0, 0.5, from as usize / 4, from)
            .resampled(to)
            .unwrap();
        let wanted = f64::from(to) * (from / 4) as f64 / f64::from(from);
        assert_eq!(
            (sound.samples().len(), sound.rate()),
            (wanted.ceil() as usize, to)
        );
        let [amplitude, delay, left] = heard(sound.samples(), 700.0, to);
        assert_close(amplitude, 0.5, 1e-4, "amplitude");
        let most = f64::max(1.0, f64::from(to) / f64::from(from));
        assert!(
            delay.abs() < most && left < 1e-4,
            "{from} to {to}: late by {delay}, {left} is left"
        );
    }
    // Above half the new rate: it would be heard as 1 kHz.
    let high = tone(7_000.0, 0.5, 11_025, 44_100).resampled(8_000).unwrap();
    let [alias, _, left] = heard(high.samples(), 1_000.0, 8_000);
    assert!(
        alias < 1e-4 && left < 1e-4,
        "an alias of {alias}, and {left}"
    );
}

// Levels.

#[test]
fn levels_are_decoded_to_themselves() {
    for count in [2, 3, 16, 255, 256, 1_024, 65_536] {
        let law = MuLaw::new(count).unwrap();
        let levels = Tensor::<1, Int>::arange(0..count as i64, &cpu());
        let samples = law.decode(levels.clone());
        let decoded = values(samples.clone());
        assert!(decoded.is_sorted_by(|a, b| a < b), "{count} levels");
        assert_eq!(
            [decoded[0], decoded[count - 1]].map(|x| (x * 1e5).round()),
            [-1e5, 1e5]
        );
        assert_eq!(
            law.encode(samples).into_data(),
            levels.into_data(),
            "{count} levels"
        );
    }
    assert_refused(MuLaw::new(1), &["2 to 65536 levels"]);
}

#[test]
fn companding_is_the_formula() {
    let law = MuLaw::new(256).unwrap();
    let samples: Vec<f64> = (-110..=110).map(|i| f64::from(i) / 100.0 + 0.001).collect();
    let encoded = law.encode(Tensor::<1>::from_floats(&samples[..], &cpu()));
    let wanted = samples.iter().map(|&x| {
        let bent = x.signum() * (255.0 * x.abs()).ln_1p() / 256f64.ln();
        ((bent.clamp(-1.0, 1.0) + 1.0) * 127.5).round()
    });
    assert_eq!(values(encoded.float()), wanted.collect::<Vec<_>>());
}

// Spectrograms.

#[test]
fn a_spectrogram_has_a_tone_where_it_is_as_loud_as_it_is() {
    let sound = tone(1_250.0, 0.1, 4_000, 8_000);
    let spectrogram = Spectrogram::new(&sound, 256, 100, &cpu()).unwrap();
    assert_eq!(spectrogram.decibels().dims(), [38, 129]);
    let decibels = values(spectrogram.decibels());
    for frame in decibels.chunks_exact(129) {
        assert_close(frame[40], -20.0, 1e-3, "at the tone");
        // A Hann window: a half to either side, nothing beyond.
        assert_close(frame[41], -20.0 - 20.0 * 2f64.log10(), 1e-3, "beside it");
        assert!(frame[50] < -100.0 && frame[0] < -100.0);
    }
    assert_eq!(spectrogram.frequency(40), 1_250.0);
    let image = spectrogram.image(60.0).unwrap();
    assert_eq!(image.dims(), [1, 129, 38]);
    let column = values(image.narrow(2, 5, 1));
    assert_close(column[128 - 40], 1.0, 1e-4, "upward");
    assert_eq!(column.iter().filter(|&&value| value > 0.0).count(), 3);
    assert_refused(spectrogram.image(0.0), &["range"]);

    let silence = Sound::new(vec![0.0; 64], 8_000).unwrap();
    let spectrogram = Spectrogram::new(&silence, 64, 1, &cpu()).unwrap();
    for decibels in values(spectrogram.decibels()) {
        assert_close(decibels, -200.0, 1e-3, "silence");
    }
    assert!(
        values(spectrogram.image(60.0).unwrap())
            .iter()
            .all(|value| value.is_finite())
    );
}

// The linear predictor.

/// Samples of a Laplace density.
fn laplace(count: usize, scale: f64, seed: u64) -> Vec<f64> {
    let mut generator = Pcg64::seed_from_u64(seed);
    let mut uniform = || (generator.next_u64() as f64 + 0.5) / 2f64.powi(64);
    let draw = |_| scale * (uniform() / uniform()).ln();
    (0..count).map(draw).collect()
}

fn encoded(law: MuLaw, samples: &[f64], rows: usize) -> Tensor<2, Int> {
    let samples = Tensor::<1>::from_floats(samples, &cpu());
    law.encode(samples.reshape([rows as i64, -1]))
}

#[test]
fn the_probabilities_of_all_levels_sum_to_one_and_are_what_is_paid() {
    let law = MuLaw::new(64).unwrap();
    let levels = encoded(law, &laplace(600, 0.1, 3), 2);
    for config in [
        LinearPredictorConfig::new(8).with_window(40),
        LinearPredictorConfig::new(4).with_window(0),
    ] {
        let predictor = config.fit(law, levels.clone()).unwrap();
        let row: Vec<usize> = values(levels.clone().narrow(0, 0, 1).float())
            .iter()
            .map(|&level| level as usize)
            .collect();
        let mut paid = 0.0;
        for (heard, &level) in row.iter().enumerate() {
            let probabilities = predictor.probabilities(&row[..heard]);
            assert_close(probabilities.iter().sum(), 1.0, 1e-12, "the sum");
            assert!(probabilities.iter().all(|&p| p >= 0.001 / 64.0));
            paid -= probabilities[level].log2();
        }
        let bits = predictor.bits(levels.clone()).unwrap();
        assert_close(bits[0], paid / 300.0, 1e-12, "bits");
    }
}

#[test]
fn white_noise_costs_its_entropy_and_not_less() {
    let law = MuLaw::new(256).unwrap();
    let scale = 0.1;
    // Bins by the law's own formula.
    let edge = |place: f64| {
        let bent: f64 = 2.0 * place / 255.0 - 1.0;
        bent.signum() * (256f64.powf(bent.abs()) - 1.0) / 255.0
    };
    let below = |x: f64| {
        if x < 0.0 {
            (x / scale).exp() / 2.0
        } else {
            1.0 - (-x / scale).exp() / 2.0
        }
    };
    let mass = |level: usize| {
        let low = if level == 0 {
            0.0
        } else {
            below(edge(level as f64 - 0.5))
        };
        let high = if level == 255 {
            1.0
        } else {
            below(edge(level as f64 + 0.5))
        };
        high - low
    };
    let entropy: f64 = (0..256)
        .map(|level| -mass(level) * mass(level).log2())
        .sum();

    let train = encoded(law, &laplace(20_000, scale, 1), 20);
    let test = encoded(law, &laplace(20_000, scale, 2), 20);
    for (window, most) in [(0, 0.2), (240, 0.4)] {
        let config = LinearPredictorConfig::new(8).with_window(window);
        let predictor = config.fit(law, train.clone()).unwrap();
        let bits = Estimate::of(&predictor.bits(test.clone()).unwrap()).unwrap();
        let over = bits.mean - entropy;
        assert!(
            over > -4.0 * bits.standard_error,
            "window {window}: {bits}, entropy {entropy}"
        );
        assert!(over < most, "window {window}: {bits}, entropy {entropy}");
    }
}

#[test]
fn a_resonance_is_heard() {
    // x_t = 1.6 x_(t-1) - 0.9 x_(t-2) + e_t: in small bins its entropy rate is that of e, less the log of the widths.
    let law = MuLaw::new(16_384).unwrap();
    let mut samples = laplace(20_000, 0.01, 5);
    for t in 2..samples.len() {
        samples[t] += 1.6 * samples[t - 1] - 0.9 * samples[t - 2];
    }
    let width = |x: f64| 2.0 / 16_383.0 * 16_384f64.ln() * (1.0 / 16_383.0 + x.abs());
    let widths = samples.iter().map(|&x| width(x).log2()).sum::<f64>() / samples.len() as f64;
    let rate = (2.0 * E * 0.01).log2() - widths;
    let levels = encoded(law, &samples, 10);
    let bits = |config: LinearPredictorConfig| {
        let predictor = config.fit(law, levels.clone()).unwrap();
        Estimate::of(&predictor.bits(levels.clone()).unwrap())
            .unwrap()
            .mean
    };
    let of_order = |order| {
        bits(
            LinearPredictorConfig::new(order)
                .with_window(0)
                .with_memory(200),
        )
    };
    assert_close(of_order(2), rate, 0.03, "order 2");
    assert!(of_order(1) > rate + 0.5);
    assert!(bits(LinearPredictorConfig::new(2)) < rate + 0.2);
}

#[test]
fn silence_and_constants_cost_next_to_nothing() {
    let law = MuLaw::new(256).unwrap();
    for level in [0.0, 1.0] {
        let levels = encoded(law, &vec![level; 2_000], 1);
        let predictor = LinearPredictorConfig::new(32)
            .fit(law, levels.clone())
            .unwrap();
        let bits = predictor.bits(levels).unwrap()[0];
        assert!(bits < 0.3, "{level}: {bits}");
    }
}

#[test]
fn bad_predictors_and_levels_are_refused() {
    let law = MuLaw::new(256).unwrap();
    let levels = encoded(law, &[0.0; 100], 1);
    let fit = |config: LinearPredictorConfig| config.fit(law, levels.clone());
    assert_refused(fit(LinearPredictorConfig::new(0)), &["order", "at least 1"]);
    assert_refused(fit(LinearPredictorConfig::new(4).with_hop(0)), &["hop"]);
    assert_refused(
        fit(LinearPredictorConfig::new(4).with_memory(0)),
        &["memory"],
    );
    assert_refused(
        fit(LinearPredictorConfig::new(4).with_window(4)),
        &["order 4", "0 for none"],
    );
    assert_refused(
        fit(LinearPredictorConfig::new(4).with_weight(-1.0)),
        &["weight"],
    );
    let config = LinearPredictorConfig::new(4);
    assert_refused(
        config.fit(MuLaw::new(16).unwrap(), levels.clone()),
        &["the law has 16", "same law"],
    );
    let predictor = fit(config).unwrap();
    assert_refused(predictor.bits(levels - 200), &["level -72", "0 to 255"]);
}
