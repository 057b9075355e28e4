//! Collects in one pass what a page says for machines.

use html5gum::{EndTag, StartTag, Token};

use crate::markup::{text, tokens};

/// Elements that have no content.
const VOID: &[&[u8]] = &[
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"source", b"track", b"wbr",
];
const METAS: &[&str] =
    &["og:title", "product:price:amount", "og:price:amount", "product:price:currency", "og:price:currency"];
const PROPERTIES: &[&str] = &["price", "lowPrice", "priceCurrency"];
/// Bounds of what one page is listened to.
const MAX_SCOPES: usize = 100;
const MAX_PROPERTIES: usize = 200;
const MAX_OPEN: usize = 8;
const MAX_VALUE: usize = 200;
const MAX_TITLE: usize = 2000;

/// A property of microdata.
#[derive(Debug)]
pub(super) struct Property {
    /// `price`, `lowPrice` or `priceCurrency`.
    pub(super) name: &'static str,
    /// Its `content` or `value`, else its text.
    pub(super) value: String,
    /// Which item it belongs to; 0 is none.
    pub(super) item: usize,
}

/// What was found, in document order.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) title: String,
    /// Contents of the JSON-LD scripts.
    pub(super) json_ld: Vec<String>,
    pub(super) metas: Vec<(&'static str, String)>,
    pub(super) properties: Vec<Property>,
}

/// An element whose end matters.
struct Open {
    tag: Vec<u8>,
    /// Elements of the same name within that are open.
    nested: usize,
    /// The item that begins with it, or the property whose text it holds.
    index: usize,
}

#[derive(Default)]
struct Scan {
    found: Findings,
    /// Items around the current place, and how many there were so far.
    items: Vec<Open>,
    item_count: usize,
    /// Properties whose text goes on.
    listening: Vec<Open>,
    in_title: bool,
    in_json_ld: bool,
}

pub(super) fn scan(html: &str) -> Findings {
    let mut scan = Scan::default();
    for token in tokens(html) {
        match token {
            Token::StartTag(tag) => scan.start(&tag),
            Token::EndTag(tag) => scan.end(&tag),
            Token::String(piece) => scan.text(&text(&piece)),
            _ => {}
        }
    }
    scan.found
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| text(value)).filter(|value| !value.trim().is_empty())
}

impl Scan {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = tag.name.as_slice();
        let has_content = !VOID.contains(&name);
        if has_content {
            // Only the innermost item is kept track of; the others wait for it to end.
            self.items.last_mut().into_iter().chain(&mut self.listening).for_each(|open| {
                open.nested += usize::from(open.tag == name);
            });
        }
        match name {
            b"title" => self.in_title = self.found.title.is_empty(),
            b"script" => {
                let kind = attribute(tag, b"type").unwrap_or_default();
                self.in_json_ld = kind.trim().to_ascii_lowercase().starts_with("application/ld+json");
                if self.in_json_ld {
                    self.found.json_ld.push(String::new());
                }
            }
            b"meta" => self.meta(tag),
            _ => {}
        }
        self.property(tag, has_content);
        if has_content && tag.attributes.contains_key(b"itemscope".as_slice()) && self.items.len() < MAX_SCOPES {
            self.item_count += 1;
            self.items.push(Open { tag: name.to_vec(), nested: 0, index: self.item_count });
        }
    }

    fn meta(&mut self, tag: &StartTag<()>) {
        let Some(name) = attribute(tag, b"property").or_else(|| attribute(tag, b"name")) else { return };
        let known = METAS.iter().find(|known| **known == name.trim());
        // The first one counts.
        let known = known.filter(|known| !self.found.metas.iter().any(|(name, _)| name == *known));
        if let (Some(name), Some(content)) = (known, attribute(tag, b"content")) {
            self.found.metas.push((name, content.chars().take(MAX_TITLE).collect()));
        }
    }

    fn property(&mut self, tag: &StartTag<()>, has_content: bool) {
        if self.found.properties.len() >= MAX_PROPERTIES {
            return;
        }
        let Some(names) = attribute(tag, b"itemprop") else { return };
        let Some(name) = PROPERTIES.iter().copied().find(|known| names.split_whitespace().any(|n| n == *known)) else {
            return;
        };
        let item = self.items.last().map_or(0, |open| open.index);
        let given = attribute(tag, b"content").or_else(|| attribute(tag, b"value"));
        if given.is_none() && has_content && self.listening.len() < MAX_OPEN {
            let index = self.found.properties.len();
            self.listening.push(Open { tag: tag.name.to_vec(), nested: 0, index });
        }
        let value = given.unwrap_or_default().chars().take(MAX_VALUE).collect();
        self.found.properties.push(Property { name, value, item });
    }

    fn end(&mut self, tag: &EndTag<()>) {
        let name = tag.name.as_slice();
        match name {
            b"title" => self.in_title = false,
            b"script" => self.in_json_ld = false,
            _ => {}
        }
        let goes_on = |open: &mut Open| {
            let ends = open.tag == name && open.nested == 0;
            open.nested -= usize::from(open.tag == name && !ends);
            !ends
        };
        if self.items.last_mut().is_some_and(|open| !goes_on(open)) {
            self.items.pop();
        }
        self.listening.retain_mut(goes_on);
    }

    fn text(&mut self, piece: &str) {
        if self.in_title && self.found.title.len() < MAX_TITLE {
            self.found.title.push_str(piece);
        }
        if let Some(block) = self.found.json_ld.last_mut().filter(|_| self.in_json_ld) {
            block.push_str(piece);
        }
        let properties = &mut self.found.properties;
        self.listening.retain(|open| {
            let Some(property) = properties.get_mut(open.index) else { return false };
            let room = MAX_VALUE.saturating_sub(property.value.chars().count());
            property.value.extend(piece.chars().take(room));
            room > 0
        });
    }
}
