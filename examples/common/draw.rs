//! Pictures that need no file: each is a function from a point to a colour, written as a PNG.

use std::f32::consts::TAU;

/// Red, green, blue; 0 to 1.
type Colour = [f32; 3];

/// What can be drawn. Coordinates are 0 to 1, the origin is at the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// Two colours of a wheel that run into each other.
    Gradient {
        /// Where on the wheel, in degrees.
        hue: u16,
    },
    /// The edge of the Mandelbrot set.
    Mandelbrot,
    /// Waves that break against a wall.
    Seawall,
    /// Rings on water.
    Ripples,
}

impl Picture {
    /// A word for file names.
    pub fn name(self) -> String {
        match self {
            Picture::Gradient { hue } => format!("gradient-{hue}"),
            Picture::Mandelbrot => "mandelbrot".into(),
            Picture::Seawall => "seawall".into(),
            Picture::Ripples => "ripples".into(),
        }
    }

    /// A square PNG.
    ///
    /// # Errors
    /// When the encoder refuses, which it does not for a size above zero.
    pub fn png(self, size: u16) -> Result<Vec<u8>, png::EncodingError> {
        let scale = 1.0 / f32::from(size);
        let mut pixels = Vec::with_capacity(3 * usize::from(size) * usize::from(size));
        for y in 0..size {
            for x in 0..size {
                let colour = self.at(f32::from(x) * scale, f32::from(y) * scale);
                pixels.extend_from_slice(&colour.map(|part| (part.clamp(0.0, 1.0) * 255.0) as u8));
            }
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size.into(), size.into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(file)
    }

    fn at(self, x: f32, y: f32) -> Colour {
        match self {
            Picture::Gradient { hue } => {
                let hue = f32::from(hue) / 360.0;
                mix(wheel(hue), wheel(hue + 0.2), 0.5 * (x + y))
            }
            Picture::Mandelbrot => mandelbrot(3.0 * x - 2.2, 2.6 * y - 1.3),
            Picture::Seawall => seawall(x, y),
            Picture::Ripples => {
                let distance = (x - 0.5).hypot(y - 0.5);
                mix(
                    [0.02, 0.15, 0.3],
                    [0.6, 0.9, 0.95],
                    0.5 + 0.5 * (distance * 60.0).cos() * (1.0 - distance),
                )
            }
        }
    }
}

fn mandelbrot(re: f32, im: f32) -> Colour {
    const LIMIT: u16 = 60;
    let (mut x, mut y, mut steps) = (0.0f32, 0.0f32, 0u16);
    while steps < LIMIT && x * x + y * y < 4.0 {
        (x, y) = (x * x - y * y + re, 2.0 * x * y + im);
        steps += 1;
    }
    let share = f32::from(steps) / f32::from(LIMIT);
    if steps == LIMIT { [0.02, 0.02, 0.08] } else { mix([0.05, 0.1, 0.35], [1.0, 0.9, 0.6], share.sqrt()) }
}

fn seawall(x: f32, y: f32) -> Colour {
    let sky = mix([0.95, 0.75, 0.55], [0.35, 0.55, 0.8], 1.0 - y);
    if x > 0.78 && y > 0.35 {
        let (row, joint) = ((y * 20.0).floor(), (y * 20.0).fract() < 0.12);
        let brick = (x * 24.0 + 0.5 * (row % 2.0)).fract() < 0.06;
        return if joint || brick { [0.3, 0.29, 0.28] } else { [0.52, 0.5, 0.47] };
    }
    (0u8..4).fold(sky, |behind, layer| {
        let depth = f32::from(layer);
        let height = 0.5 + 0.11 * depth - 0.12 * x * x;
        let crest = height + 0.03 * (TAU * (x * (2.0 + depth) + 0.3 * depth)).sin();
        let foam = 0.012 + 0.02 * x;
        match y - crest {
            below if below < 0.0 => behind,
            below if below < foam => [0.95, 0.98, 1.0],
            _ => mix([0.2, 0.5, 0.65], [0.02, 0.15, 0.3], 0.3 * depth),
        }
    })
}

fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
}

fn wheel(turn: f32) -> Colour {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|offset| 0.5 + 0.45 * (TAU * (turn - offset)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_pictures() {
        for picture in
            [Picture::Gradient { hue: 30 }, Picture::Mandelbrot, Picture::Seawall, Picture::Ripples]
        {
            let file = picture.png(64).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width, info.height), (64, 64));
            let colours: std::collections::HashSet<_> = pixels.chunks(3).collect();
            assert!(colours.len() > 4, "{picture:?} is blank");
        }
    }
}
