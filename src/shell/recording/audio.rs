//! Recordings as files that others read: WAV of 16-bit samples, and Ogg Opus (RFC 7845). Customer left, agent right.

use super::chunk::{SECOND, SLOT, Second};
use super::file::{FileFault, FinishedReader, Reader};
use ogg::reading::{OggReadError, PacketReader};
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use ropus::{OPUS_APPLICATION_VOIP, OpusMSDecoder, OpusMSEncoder};
use std::io::{Cursor, Seek, Write};

/// Octets of a WAV file before its first sample: RIFF, format, data.
const WAV_HEAD: u64 = 44;
/// Octets of a sample of both channels.
const FRAME: u64 = 4;
/// Samples a second.
const RATE: u32 = 8_000;
/// Bits per second for both channels. Speech of telephone bandwidth is clear from 8,000 a channel (RFC 6716 s.2.1.1: 8 to 12 kbit/s for
/// narrowband); twice that leaves room for recognisers, and is an eighth of G.711.
const OPUS_BITS: i32 = 32_000;
/// Work that the encoder may do for a bit, 0 to 10: above 5 it costs half as much again for what nobody hears in telephone speech.
const OPUS_COMPLEXITY: i32 = 5;
/// Opus counts in samples of 48 kHz, whatever the input (RFC 7845 s.4).
const OPUS_RATIO: u64 = 6;
/// Longest packet of two streams (RFC 6716 s.3.4: a frame has at most 1,275 octets).
const PACKET_MAX: usize = 2 * 1_275 + 8;

/// WAV as we write it.
const SPEC: hound::WavSpec = hound::WavSpec {
    channels: 2,
    sample_rate: RATE,
    bits_per_sample: 16,
    sample_format: hound::SampleFormat::Int,
};

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AudioFault {
    /// The recording.
    #[error(transparent)]
    File(#[from] FileFault),
    /// What is written.
    #[error("the audio could not be written: {0}")]
    Write(#[from] std::io::Error),
    /// As WAV.
    #[error("the WAV file could not be written: {0}")]
    Wav(#[from] hound::Error),
    /// The encoder or the decoder.
    #[error("Opus failed (code {0})")]
    Opus(i32),
    /// The Ogg stream.
    #[error("the Ogg stream cannot be read: {0}")]
    Ogg(#[from] OggReadError),
}

/// Calls `each` with every sample of the recording, a second at a time: customer, agent, customer, and so on. The last call may be
/// shorter.
fn for_each_second<E: From<FileFault>>(
    reader: &mut Reader,
    mut each: impl FnMut(&[i16]) -> Result<(), E>,
) -> Result<(), E> {
    let mut second: Box<Second> = Box::new([0; 2 * SECOND]);
    let samples = reader.samples();
    for number in 0..samples.div_ceil(SECOND as u64) {
        reader.second(number, &mut second)?;
        let rest = (samples - number * SECOND as u64).min(SECOND as u64) as usize;
        each(&second[..2 * rest])?;
    }
    Ok(())
}

/// Writes the recording as WAV.
pub fn write_wav(reader: &mut Reader, into: impl Write + Seek) -> Result<(), AudioFault> {
    let mut wav = hound::WavWriter::new(into, SPEC)?;
    for_each_second(reader, |samples| {
        samples
            .iter()
            .try_for_each(|sample| wav.write_sample(*sample))
            .map_err(AudioFault::from)
    })?;
    Ok(wav.finalize()?)
}

/// Octets of the recording as WAV.
pub fn wav_length(reader: &Reader) -> u64 {
    WAV_HEAD + reader.samples() * FRAME
}

/// Octets `from` to at most `from + most` of the recording as WAV; at most a second of it, empty at the end. So that a player may jump
/// without the whole being opened.
pub fn wav_part(reader: &mut Reader, from: u64, most: usize) -> Result<Vec<u8>, FileFault> {
    let length = wav_length(reader);
    if from >= length {
        return Ok(Vec::new());
    }
    let mut part = if from < WAV_HEAD {
        wav_head(length)[from as usize..].to_vec()
    } else {
        let second_octets = SECOND as u64 * FRAME;
        let (number, within) = (
            (from - WAV_HEAD) / second_octets,
            (from - WAV_HEAD) % second_octets,
        );
        let mut second: Box<Second> = Box::new([0; 2 * SECOND]);
        reader.second(number, &mut second)?;
        let octets: Vec<u8> = second.iter().flat_map(|s| s.to_le_bytes()).collect();
        octets[within as usize..].to_vec()
    };
    part.truncate(most.min((length - from) as usize));
    Ok(part)
}

/// The 44 octets before the samples.
fn wav_head(length: u64) -> [u8; WAV_HEAD as usize] {
    let mut head = [0; WAV_HEAD as usize];
    let size = |octets: u64| (octets.min(u64::from(u32::MAX)) as u32).to_le_bytes();
    head[..4].copy_from_slice(b"RIFF");
    head[4..8].copy_from_slice(&size(length - 8));
    head[8..16].copy_from_slice(b"WAVEfmt ");
    head[16..20].copy_from_slice(&16u32.to_le_bytes());
    // PCM, two channels.
    head[20..22].copy_from_slice(&1u16.to_le_bytes());
    head[22..24].copy_from_slice(&2u16.to_le_bytes());
    head[24..28].copy_from_slice(&RATE.to_le_bytes());
    head[28..32].copy_from_slice(&(RATE * FRAME as u32).to_le_bytes());
    head[32..34].copy_from_slice(&(FRAME as u16).to_le_bytes());
    head[34..36].copy_from_slice(&16u16.to_le_bytes());
    head[36..40].copy_from_slice(b"data");
    head[40..44].copy_from_slice(&size(length - WAV_HEAD));
    head
}

/// The recording as Ogg Opus. Two streams of one channel each and no coupling (RFC 7845 s.5.1.1, mapping family 1): joint stereo would
/// let one party be heard in the other's channel.
pub fn ogg_opus(reader: &mut Reader) -> Result<Vec<u8>, AudioFault> {
    let mut encoder = OpusMSEncoder::new(RATE as i32, 2, 2, 0, &[0, 1], OPUS_APPLICATION_VOIP)
        .map_err(AudioFault::Opus)?;
    for code in [
        encoder.set_bitrate(OPUS_BITS),
        encoder.set_complexity(OPUS_COMPLEXITY),
    ] {
        if code != 0 {
            return Err(AudioFault::Opus(code));
        }
    }
    let skip = encoder.get_lookahead().max(0) as u64;
    let id = reader.id().0;
    let serial = u32::from_be_bytes([id[0], id[1], id[2], id[3]]);
    let mut ogg = PacketWriter::new(Vec::new());
    let head = opus_head((skip * OPUS_RATIO) as u16);
    ogg.write_packet(head, serial, PacketWriteEndInfo::EndPage, 0)?;
    ogg.write_packet(opus_tags(), serial, PacketWriteEndInfo::EndPage, 0)?;

    let length = reader.samples() + skip;
    let packets = length.div_ceil(SLOT as u64).max(1);
    let (mut packet, mut out) = (0, vec![0; PACKET_MAX]);
    let mut waiting: Vec<i16> = Vec::with_capacity(2 * (SECOND + SLOT));
    let mut write = |pcm: &[i16]| -> Result<(), AudioFault> {
        let encoded = encoder
            .encode(pcm, SLOT as i32, &mut out, PACKET_MAX as i32)
            .map_err(AudioFault::Opus)? as usize;
        packet += 1;
        let is_last = packet == packets;
        let (info, played) = if is_last {
            // The end of the last page cuts off what only filled the packet (RFC 7845 s.4.4).
            (PacketWriteEndInfo::EndStream, length)
        } else if packet % 50 == 0 {
            // A page a second: players jump by pages.
            (PacketWriteEndInfo::EndPage, packet * SLOT as u64)
        } else {
            (PacketWriteEndInfo::NormalPacket, packet * SLOT as u64)
        };
        ogg.write_packet(out[..encoded].to_vec(), serial, info, played * OPUS_RATIO)?;
        Ok(())
    };
    for_each_second(reader, |samples| {
        waiting.extend_from_slice(samples);
        let whole = waiting.len() / (2 * SLOT) * (2 * SLOT);
        for pcm in waiting[..whole].chunks_exact(2 * SLOT) {
            write(pcm)?;
        }
        waiting.drain(..whole);
        Ok::<(), AudioFault>(())
    })?;
    // The rest, and as much silence as the encoder is late.
    let missing = packets * 2 * SLOT as u64 - (reader.samples() * 2 - waiting.len() as u64);
    waiting.resize(missing as usize, 0);
    for pcm in waiting.chunks_exact(2 * SLOT) {
        write(pcm)?;
    }
    Ok(ogg.into_inner())
}

/// Writes a finished recording as WAV. Its samples of one channel.
pub fn ogg_to_wav(reader: &mut FinishedReader, into: impl Write + Seek) -> Result<u64, AudioFault> {
    let mut stream = Vec::with_capacity(reader.length() as usize);
    loop {
        let part = reader.read(stream.len() as u64, usize::MAX)?;
        if part.is_empty() {
            break;
        }
        stream.extend(part);
    }
    let mut wav = hound::WavWriter::new(into, SPEC)?;
    let mut decoder =
        OpusMSDecoder::new(RATE as i32, 2, 2, 0, &[0, 1]).map_err(AudioFault::Opus)?;
    let mut packets = PacketReader::new(Cursor::new(stream));
    let mut pcm = vec![0i16; 2 * 6 * SLOT];
    // Samples to leave out at the beginning, samples decoded, samples to be given out in all.
    let (mut skip, mut decoded, mut given) = (0, 0, 0);
    while let Some(packet) = packets.read_packet()? {
        if packet.data.starts_with(b"OpusHead") {
            let octets = packet.data.get(10..12).unwrap_or(&[0, 0]);
            skip = u64::from(u16::from_le_bytes([octets[0], octets[1]])) / OPUS_RATIO;
            continue;
        }
        if packet.data.starts_with(b"OpusTags") {
            continue;
        }
        let most = (pcm.len() / 2) as i32;
        let samples = decoder
            .decode(
                Some(&packet.data),
                packet.data.len() as i32,
                &mut pcm,
                most,
                false,
            )
            .map_err(AudioFault::Opus)? as u64;
        let first = skip.saturating_sub(decoded).min(samples);
        decoded += samples;
        let last = if packet.last_in_stream() {
            let over = decoded.saturating_sub(packet.absgp_page() / OPUS_RATIO);
            samples.saturating_sub(over).max(first)
        } else {
            samples
        };
        for sample in &pcm[2 * first as usize..2 * last as usize] {
            wav.write_sample(*sample)?;
        }
        given += last - first;
    }
    wav.finalize()?;
    Ok(given)
}

fn opus_head(skip: u16) -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.extend([1, 2]);
    head.extend(skip.to_le_bytes());
    head.extend(RATE.to_le_bytes());
    // No gain; family 1: two streams, none coupled, channel 0 is stream 0, channel 1 is stream 1.
    head.extend([0, 0, 1, 2, 0, 0, 1]);
    head
}

fn opus_tags() -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    let vendor = concat!("Tandem ", env!("CARGO_PKG_VERSION"));
    tags.extend((vendor.len() as u32).to_le_bytes());
    tags.extend(vendor.bytes());
    tags.extend(0u32.to_le_bytes());
    tags
}
