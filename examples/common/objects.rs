//! What is in the demo's bucket: pictures, a page that shows them, texts, one large file, and a private folder.

use std::fmt::Write;

use bytes::Bytes;

use super::draw::Picture;

/// The key of the large file.
pub const LARGE: &str = "files/large.bin";
/// Its length: 64 slices of 1 MiB.
pub const LARGE_BYTES: usize = 64 << 20;

/// An object to put.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its key, without a leading slash.
    pub key: String,
    /// Content-Type.
    pub content_type: &'static str,
    /// Cache-Control.
    pub cache_control: &'static str,
    /// The bytes.
    pub body: Bytes,
}

const SIZES: &[(Picture, &[u16])] = &[
    (Picture::Seawall, &[64, 128, 256, 512, 1024]),
    (Picture::Mandelbrot, &[64, 128, 256, 512]),
    (Picture::Ripples, &[64, 128, 256, 512, 1024]),
    (Picture::Gradient { hue: 200 }, &[64, 256, 1024, 2048]),
    (Picture::Gradient { hue: 20 }, &[64, 256]),
    (Picture::Gradient { hue: 80 }, &[64, 256]),
    (Picture::Gradient { hue: 140 }, &[64, 256]),
    (Picture::Gradient { hue: 320 }, &[64, 256]),
];

const ALBUM: &[(Picture, u16)] =
    &[(Picture::Seawall, 320), (Picture::Ripples, 320), (Picture::Gradient { hue: 260 }, 320)];

/// All of them, some 40, deterministic to the byte.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn all() -> anyhow::Result<Vec<Object>> {
    let mut objects = pictures("images", SIZES.iter().flat_map(|(p, sizes)| sizes.iter().map(|s| (*p, *s))))?;
    let names: Vec<String> = objects.iter().map(|object| object.key.clone()).collect();
    // At the root the names are paths as they are; the folder's page stands among its pictures.
    objects.push(text("index.html", "text/html; charset=utf-8", page("Seawall", &names)));
    let files: Vec<_> = names.iter().filter_map(|key| Some(key.rsplit_once('/')?.1.to_owned())).collect();
    objects.push(text("images/index.html", "text/html; charset=utf-8", page("Pictures", &files)));
    objects.push(text("data/images.json", "application/json", serde_json::to_string_pretty(&names)?));
    objects.push(text("style.css", "text/css; charset=utf-8", STYLE.into()));
    objects.push(text("docs/readme.md", "text/markdown; charset=utf-8", MARKDOWN.into()));
    objects.push(text("docs/tides.txt", "text/plain; charset=utf-8", tides()));
    objects.push(Object {
        key: LARGE.into(),
        content_type: "application/octet-stream",
        cache_control: "public, max-age=3600",
        body: noise(LARGE_BYTES),
    });

    let album = pictures("private/album", ALBUM.iter().copied())?;
    // Links relative to the page, so that a token in the path goes along.
    let names: Vec<_> = album.iter().filter_map(|o| Some(o.key.rsplit_once('/')?.1.to_owned())).collect();
    objects.extend(album);
    objects.push(text("private/album/index.html", "text/html; charset=utf-8", page("Private album", &names)));
    objects.push(text(
        "private/report.txt",
        "text/plain; charset=utf-8",
        "For your eyes only: the wall holds.\n".into(),
    ));
    Ok(objects)
}

fn pictures(folder: &str, of: impl Iterator<Item = (Picture, u16)>) -> anyhow::Result<Vec<Object>> {
    of.map(|(picture, size)| {
        Ok(Object {
            key: format!("{folder}/{}-{size}.png", picture.name()),
            content_type: "image/png",
            cache_control: "public, max-age=3600",
            body: picture.png(size)?.into(),
        })
    })
    .collect()
}

fn text(key: &str, content_type: &'static str, body: String) -> Object {
    Object { key: key.into(), content_type, cache_control: "public, max-age=60", body: body.into() }
}

fn page(title: &str, images: &[String]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"/images/seawall-64.png\">\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
         <header><h1>{title}</h1>\n<p><a href=\"/\">Home</a></p></header>\n<main class=\"pictures\">\n"
    );
    for image in images {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<figure><img src=\"{image}\" alt=\"{image}\"><figcaption>{image}</figcaption></figure>"
        );
    }
    page + "</main>\n</html>\n"
}

/// Years of high water, long enough to be worth compressing.
fn tides() -> String {
    (0..4000u32).fold(String::from("day  high water\n"), |mut table, day| {
        let high = 420 + (day * 37 % 60) + (day * day % 11);
        let _ = writeln!(table, "{day:4} {high:4} cm");
        table
    })
}

/// Bytes that do not compress: xorshift64 (Marsaglia, 2003), little endian.
fn noise(length: usize) -> Bytes {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

const STYLE: &str = include_str!("style.css");

const MARKDOWN: &str = "\
# What is here

- `index.html`: the home page
- `images/`: pictures from 64 to 2048 pixels, and a page that shows them
- `files/large.bin`: 64 MiB to ask ranges of
- `docs/tides.txt`: text that compresses
- `private/`: opens with a signed URL
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_dozen_with_distinct_keys() {
        let objects = all().unwrap();
        let keys: std::collections::HashSet<_> = objects.iter().map(|object| &object.key).collect();
        assert_eq!(keys.len(), objects.len());
        assert!((30..60).contains(&objects.len()), "{}", objects.len());
        let large = objects.iter().find(|object| object.key == LARGE).unwrap();
        assert_eq!(large.body.len(), LARGE_BYTES);
    }
}
