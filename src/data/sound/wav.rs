use super::check_rate;
use crate::error::{Error, Result};
use crate::file;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;

/// The samples of a WAV file, its channels averaged, and their rate; or what is wrong with it.
pub(super) fn read(path: &Path) -> Result<(Vec<f32>, u32), String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut reader = WavReader::new(BufReader::new(file)).map_err(describe)?;
    let spec = reader.spec();
    check_rate(spec.sample_rate).map_err(|reason| format!("claims {reason}"))?;
    let channels = usize::from(spec.channels);
    let claimed = reader.len();
    if claimed == 0 || channels == 0 {
        return Err("holds no sample".to_string());
    }
    let samples = match spec.sample_format {
        SampleFormat::Float => collect(reader.samples::<f32>().map(|sample| sample.ok())),
        SampleFormat::Int => {
            // In f64, as 32 bits are more than an f32 has.
            let full = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
            let scaled = |sample| (f64::from(sample) / full) as f32;
            collect(
                reader
                    .samples::<i32>()
                    .map(|sample| sample.ok().map(scaled)),
            )
        }
    };
    if samples.len() < claimed as usize {
        return Err(format!(
            "is truncated: its header claims {claimed} numbers, but it holds {}; copy it again, or record it anew",
            samples.len()
        ));
    }
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        return Err(format!("holds {} as number {at}", samples[at]));
    }
    let frames = samples.chunks_exact(channels);
    let mono = frames.map(|frame| frame.iter().sum::<f32>() / channels as f32);
    Ok((mono.collect(), spec.sample_rate))
}

/// What comes before the first that cannot be read: the vector grows with it.
fn collect(samples: impl Iterator<Item = Option<f32>>) -> Vec<f32> {
    samples.map_while(|sample| sample).collect()
}

/// What a header that cannot be read says of a file.
fn describe(error: hound::Error) -> String {
    match error {
        hound::Error::IoError(_) => "is no WAV file, or one that ends within its header".to_string(),
        hound::Error::Unsupported => {
            "is a WAV file of a kind that is not read (a compressed one, or of floats of 64 bits); save it as 16 bits, PCM"
                .to_string()
        }
        error => format!("is no WAV file that can be read: {error}"),
    }
}

/// Writes samples as 16 bits.
pub(super) fn write(samples: &[f32], rate: u32, path: &Path) -> Result<()> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let encoded = WavWriter::new(&mut bytes, spec).and_then(|mut writer| {
        for sample in samples {
            // The cast clips.
            writer.write_sample((sample * 32_768.0).round() as i16)?;
        }
        writer.finalize()
    });
    encoded.map_err(|error| Error::data(path, format!("cannot be written: {error}")))?;
    file::write(path, &[bytes.get_ref()])
}
