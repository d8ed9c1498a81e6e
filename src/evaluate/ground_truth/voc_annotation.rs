//! One annotation file of a PASCAL VOC folder.

use roxmltree::{Document, Node, ParsingOptions};

use super::GroundTruthError;
use super::error::quoted;
use super::notes::Mend;
use crate::evaluate::Region;

/// Elements, texts and comments that an annotation may have; some tens of megabytes in memory.
const MAX_NODES: u32 = 500_000;
/// Most attributes of an element.
const MAX_ATTRIBUTES: usize = 500;

/// What the metrics need of an annotation.
#[derive(Debug, PartialEq)]
pub(super) struct VocAnnotation {
    /// `filename`, where there is one.
    pub(super) filename: Option<String>,
    /// Width and height, where both are positive whole numbers.
    pub(super) size: Option<[u32; 2]>,
    pub(super) objects: Vec<VocObject>,
}

/// One `object` element.
#[derive(Debug, PartialEq)]
pub(super) struct VocObject {
    pub(super) class: String,
    pub(super) region: Region,
    pub(super) difficult: bool,
}

/// What parsing has to say on its way.
#[derive(Debug)]
pub(super) enum Said {
    /// An object that cannot be used; the text says where and why.
    Bad(String),
    /// What was put right, and in which line.
    Mended(Mend, u32),
}

/// Why there is no annotation.
#[derive(Debug)]
pub(super) enum Unread {
    /// The text is none.
    Malformed(String),
    /// The listener refused what it was told.
    Refused(GroundTruthError),
}

impl From<GroundTruthError> for Unread {
    fn from(refusal: GroundTruthError) -> Self {
        Self::Refused(refusal)
    }
}

/// Parses the XML text of an annotation. Problems start with `line ..:` wherever there is a place to name; `say` hears of
/// objects that cannot be used and of what is put right.
pub(super) fn parse(
    text: &str,
    say: &mut dyn FnMut(Said) -> Result<(), GroundTruthError>,
) -> Result<VocAnnotation, Unread> {
    match document(text) {
        Ok(document) => annotation(&document, say),
        Err(problem) => {
            let mended = with_ampersands(text).ok_or(Unread::Malformed(problem))?;
            let document = document(&mended).map_err(Unread::Malformed)?;
            say(Said::Mended(Mend::Ampersand, 1))?;
            annotation(&document, say)
        }
    }
}

/// Attributes of the element that `part` begins with, its values' quotes counted; there are none in comments and text.
fn attributes(part: &str) -> usize {
    if ["!--", "![CDATA[", "?"].iter().any(|other| part.starts_with(other)) {
        return 0;
    }
    part.split('=').skip(1).filter(|value| value.trim_ascii_start().starts_with(['"', '\''])).count()
}

fn document(text: &str) -> Result<Document<'_>, String> {
    // An attribute is compared with all others of its element, and `<` stands in none.
    if text.split('<').any(|part| attributes(part) > MAX_ATTRIBUTES) {
        return Err(format!("an element of more than {MAX_ATTRIBUTES} attributes"));
    }
    // An element has those of all around it, too.
    if text.matches("xmlns").count() > MAX_ATTRIBUTES {
        return Err(format!("more than {MAX_ATTRIBUTES} namespaces"));
    }
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|problem| format!("not XML: {problem}"))
}

/// The text with every `&` that begins no entity written as one; `None` where there is no such.
fn with_ampersands(text: &str) -> Option<String> {
    let mut mended = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        mended.push_str(before);
        let name =
            after.find([';', '&', '<', ' ']).and_then(|end| after.get(end..end + 1).map(|last| (last, &after[..end])));
        let entity = name.is_some_and(|(last, name)| {
            last == ";" && (name.starts_with('#') || ["amp", "lt", "gt", "quot", "apos"].contains(&name))
        });
        mended.push_str(if entity { "&" } else { "&amp;" });
        rest = after;
    }
    mended.push_str(rest);
    (mended.len() > text.len()).then_some(mended)
}

fn annotation(
    document: &Document<'_>,
    say: &mut dyn FnMut(Said) -> Result<(), GroundTruthError>,
) -> Result<VocAnnotation, Unread> {
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        let hint = match root.tag_name().name() {
            "annotations" => "; CVAT also exports PASCAL VOC, COCO and YOLO",
            _ => "",
        };
        let found = quoted(root.tag_name().name());
        let problem = format!("the root element is {found}, expected \"annotation\"{hint}");
        return Err(Unread::Malformed(at(root, problem)));
    }
    let mut objects = Vec::new();
    for (index, node) in children(root, "object").enumerate() {
        match object(node) {
            Ok((object, mends)) => {
                for mend in mends.into_iter().flatten() {
                    say(Said::Mended(mend, line(node)))?;
                }
                objects.push(object);
            }
            Err((place, problem)) => say(Said::Bad(at(place, format!("object {}: {problem}", index + 1))))?,
        }
    }
    Ok(VocAnnotation {
        filename: child_text(root, "filename").filter(|name| !name.is_empty()).map(str::to_owned),
        size: child(root, "size").and_then(size),
        objects,
    })
}

/// A problem and the element that it is in.
type Misplaced<'a, 'input> = (Node<'a, 'input>, String);

fn object<'a, 'input>(node: Node<'a, 'input>) -> Result<(VocObject, [Option<Mend>; 2]), Misplaced<'a, 'input>> {
    let class = child_text(node, "name").filter(|name| !name.is_empty());
    let class = class.ok_or_else(|| (node, "has no name".to_owned()))?;
    let mut mends = [None; 2];
    let (place, corners) = match (child(node, "bndbox"), child(node, "polygon")) {
        (Some(bounds), _) => {
            let edge = |tag: &str| -> Result<f64, Misplaced<'a, 'input>> {
                let text = child_text(bounds, tag).ok_or_else(|| (bounds, format!("bndbox has no {tag}")))?;
                text.parse().map_err(|_| (bounds, format!("{tag} is {}, expected a number", quoted(text))))
            };
            (bounds, [edge("xmin")?, edge("ymin")?, edge("xmax")?, edge("ymax")?])
        }
        (None, Some(polygon)) => {
            mends[0] = Some(Mend::Outline);
            (polygon, around(polygon).map_err(|problem| (polygon, problem))?)
        }
        (None, None) if child(node, "robndbox").is_some() => {
            return Err((node, "has no bndbox, but a turned box (robndbox)".to_owned()));
        }
        (None, None) => return Err((node, "has no bndbox".to_owned())),
    };
    let [left, top, right, bottom] = corners;
    let ordered = [left.min(right), top.min(bottom), left.max(right), top.max(bottom)];
    // What is no number is no corner either.
    let finite = corners.iter().all(|edge| edge.is_finite());
    let region = Region::from_corners(if finite { ordered } else { corners });
    if let Some(problem) = region.problem() {
        return Err((place, problem));
    }
    if ordered != corners {
        mends[1] = Some(Mend::Corners);
    }
    let difficult = match child_text(node, "difficult").map(str::to_lowercase).as_deref() {
        None | Some("" | "0" | "0.0" | "unspecified" | "false" | "no" | "none") => false,
        Some("1" | "1.0" | "true" | "yes") => true,
        Some(other) => return Err((node, format!("difficult is {}, expected 0 or 1", quoted(other)))),
    };
    Ok((VocObject { class: class.to_owned(), region, difficult }, mends))
}

/// The corners around a polygon: points `pt` with `x` and `y`, or numbers `x1`, `y1`, `x2` and so on.
fn around(polygon: Node<'_, '_>) -> Result<[f64; 4], String> {
    let (mut low, mut high, mut count) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2], [0; 2]);
    let mut add = |axis: usize, text: &str| {
        let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        let value = value.ok_or_else(|| format!("polygon: {} is no number", quoted(text)))?;
        low[axis] = low[axis].min(value);
        high[axis] = high[axis].max(value);
        count[axis] += 1;
        Ok::<(), String>(())
    };
    for node in polygon.descendants().skip(1).filter(Node::is_element) {
        let tag = node.tag_name().name();
        let number = |tag: &str| tag.bytes().all(|digit| digit.is_ascii_digit());
        let axis = tag.strip_prefix('x').map(|rest| (0, rest)).or_else(|| tag.strip_prefix('y').map(|rest| (1, rest)));
        if let Some((axis, _)) = axis.filter(|(_, rest)| number(rest)) {
            add(axis, node.text().unwrap_or_default())?;
        }
    }
    if count[0] != count[1] || count[0] < 2 {
        return Err(format!("has no bndbox, and a polygon of {} and {} coordinates", count[0], count[1]));
    }
    Ok([low[0], low[1], high[0], high[1]])
}

fn size(node: Node<'_, '_>) -> Option<[u32; 2]> {
    let side = |tag| child_text(node, tag)?.parse().ok().filter(|&side: &u32| side > 0);
    Some([side("width")?, side("height")?])
}

fn children<'a, 'input>(node: Node<'a, 'input>, tag: &'a str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.has_tag_name(tag))
}

fn child<'a, 'input>(node: Node<'a, 'input>, tag: &'a str) -> Option<Node<'a, 'input>> {
    children(node, tag).next()
}

fn child_text<'a>(node: Node<'a, '_>, tag: &'a str) -> Option<&'a str> {
    child(node, tag).map(|child| child.text().unwrap_or_default().trim())
}

fn at(node: Node<'_, '_>, problem: String) -> String {
    format!("line {}: {problem}", line(node))
}

fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The annotation, or the first thing that is wrong with it.
    fn parse(text: &str) -> Result<VocAnnotation, String> {
        let parsed = super::parse(text, &mut |said| match said {
            Said::Bad(problem) => Err(GroundTruthError::malformed(Path::new("a"), problem)),
            Said::Mended(..) => Ok(()),
        });
        parsed.map_err(|problem| match problem {
            Unread::Malformed(problem) => problem,
            Unread::Refused(refusal) => refusal.to_string().replace("a: ", ""),
        })
    }

    /// The objects that are left, and what was said.
    fn lenient(text: &str) -> (Vec<VocObject>, Vec<String>) {
        let mut all = Vec::new();
        let parsed = super::parse(text, &mut |said| {
            all.push(format!("{said:?}"));
            Ok(())
        });
        (parsed.unwrap().objects, all)
    }

    fn boxed(inner: &str) -> String {
        format!("<annotation>\n<object>\n{inner}\n</object>\n</annotation>")
    }

    const BOX: &str = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>22.5</ymax></bndbox>";

    #[test]
    fn reads_what_the_metrics_need_and_passes_over_the_rest() {
        let annotation = parse(
            "<?xml version=\"1.0\"?>\n<annotation verified=\"yes\"><folder>VOC2007</folder><filename>a.jpg</filename>
            <size><width>500</width><height>375</height><depth>3</depth></size>
            <object><name> person </name><difficult>1</difficult>
              <part><name>head</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>1</xmax><ymax>1</ymax></bndbox></part>
              <bndbox><xmax>120</xmax><xmin>20.25</xmin><ymax>80</ymax><ymin>10</ymin></bndbox></object>
            <object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>9</ymax></bndbox></object>
            </annotation>",
        )
        .unwrap();
        assert_eq!(annotation.filename.as_deref(), Some("a.jpg"));
        assert_eq!(annotation.size, Some([500, 375]));
        let [person, dog] = &annotation.objects[..] else { panic!("two objects") };
        assert_eq!((person.class.as_str(), person.difficult), ("person", true));
        assert_eq!(person.region.to_corners(), [20.25, 10.0, 120.0, 80.0]);
        assert_eq!((dog.class.as_str(), dog.difficult), ("dog", false));
    }

    /// Names of attributes and of spaces for names are compared each with each: some hundred thousand would take minutes.
    #[test]
    fn attributes_are_bounded() {
        let many = |name: &str, count: usize| (0..count).map(|at| format!(" {name}{at}=\"b\"")).collect::<String>();
        for name in ["a", "xmlns:a"] {
            let refused =
                parse(&format!("<annotation><!-- ' --><a{}/></annotation>", many(name, 200_000))).unwrap_err();
            assert_eq!(refused, "an element of more than 500 attributes");
        }
        assert!(parse(&format!("<annotation{}/>", many("a", 300))).is_ok());
        let drawn =
            format!("<annotation><!-- {0} <b>{0}</b> --><filename>{0}</filename></annotation>", "=".repeat(600));
        assert_eq!(parse(&drawn).unwrap().filename, Some("=".repeat(600)));
        let nested: String = (0..100_000).map(|at| format!("<a xmlns:b{at}=\"c\">")).collect();
        assert_eq!(parse(&format!("<annotation>{nested}")).unwrap_err(), "more than 500 namespaces");
    }

    #[test]
    fn an_image_may_have_no_objects_and_no_usable_size() {
        let empty = VocAnnotation { filename: None, size: None, objects: vec![] };
        assert_eq!(parse("<annotation/>").unwrap(), empty);
        let zero = "<annotation><size><width>0</width><height>0</height></size></annotation>";
        assert_eq!(parse(zero).unwrap(), empty);
    }

    #[test]
    fn every_problem_names_its_line() {
        let name = "<name>dog</name>";
        let with_box = |inner: &str| boxed(&format!("{name}\n<bndbox>{inner}</bndbox>"));
        for (text, expected) in [
            (boxed(BOX), "line 2: object 1: has no name"),
            (boxed(&format!("<name> </name>{BOX}")), "line 2: object 1: has no name"),
            (boxed(name), "line 2: object 1: has no bndbox"),
            (with_box("<xmin>1</xmin>"), "line 4: object 1: bndbox has no ymin"),
            (with_box("<xmin>1,5</xmin>"), "line 4: object 1: xmin is \"1,5\", expected a number"),
            (
                boxed(&format!("{name}<robndbox><cx>1</cx></robndbox>")),
                "line 2: object 1: has no bndbox, but a turned box (robndbox)",
            ),
            (
                boxed(&format!("{name}<polygon><pt><x>1</x><y>a</y></pt></polygon>")),
                "line 3: object 1: polygon: \"a\" is no number",
            ),
            (
                with_box("<xmin>nan</xmin><ymin>2</ymin><xmax>4</xmax><ymax>3</ymax>"),
                "line 4: object 1: the box is [NaN, 2.0, NaN, 3.0], expected finite edges within 1e7",
            ),
            (
                boxed(&format!("{name}{BOX}<difficult>2</difficult>")),
                "line 2: object 1: difficult is \"2\", expected 0 or 1",
            ),
            ("\n<svg/>".to_owned(), "line 2: the root element is \"svg\", expected \"annotation\""),
        ] {
            assert_eq!(parse(&text).unwrap_err(), expected);
        }
    }

    #[test]
    fn what_leaves_no_doubt_is_put_right_and_said() {
        let corners = |text: &str| -> (Vec<[f64; 4]>, Vec<String>) {
            let (objects, said) = lenient(text);
            (objects.iter().map(|object| object.region.to_corners()).collect(), said)
        };
        let name = "<name>dog</name>";
        let flipped = "<bndbox><xmin>9</xmin><ymin>2</ymin><xmax>4</xmax><ymax>3</ymax></bndbox>";
        let (found, said) = corners(&boxed(&format!("{name}{flipped}")));
        assert_eq!((found, said), (vec![[4.0, 2.0, 9.0, 3.0]], vec!["Mended(Corners, 2)".to_owned()]));
        for polygon in [
            "<pt><x>1</x><y>2</y></pt><pt><x>5</x><y>1</y></pt><username>x</username>",
            "<x1>1</x1><y1>2</y1><x2>5</x2><y2>1</y2>",
        ] {
            let (found, said) = corners(&boxed(&format!("{name}<polygon>{polygon}</polygon>")));
            assert_eq!((found, said), (vec![[1.0, 1.0, 5.0, 2.0]], vec!["Mended(Outline, 2)".to_owned()]));
        }
        let text =
            format!("<annotation><path>a & b &amp; c&d</path><object>{name}{BOX}</object><object/></annotation>");
        let (found, said) = corners(&text);
        assert_eq!(found, [[1.0, 2.0, 11.0, 22.5]]);
        assert_eq!(said[0], "Mended(Ampersand, 1)");
        assert_eq!(said[1], "Bad(\"line 1: object 2: has no name\")");
        for (word, difficult) in [("True", true), ("FALSE", false), ("yes", true), ("Unspecified", false), ("1", true)]
        {
            let (objects, _) = lenient(&boxed(&format!("{name}{BOX}<difficult>{word}</difficult>")));
            assert_eq!(objects[0].difficult, difficult, "{word}");
        }
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        for text in [
            "",
            "annotation",
            "<annotation>",
            "<annotation><object></annotation>",
            "<!DOCTYPE annotation [<!ENTITY a \"aaaa\">]><annotation>&a;</annotation>",
        ] {
            assert!(parse(text).unwrap_err().starts_with("not XML: "), "{text}");
        }
    }

    #[test]
    fn depth_and_number_of_elements_are_bounded() {
        let deep = "<annotation>".to_owned() + &"<a>".repeat(400_000);
        assert!(parse(&deep).unwrap_err().starts_with("not XML: "));
        let closed = "<annotation>".to_owned() + &"<a>".repeat(200_000) + &"</a>".repeat(200_000) + "</annotation>";
        assert!(parse(&closed).is_ok());
        let wide = "<annotation>".to_owned() + &"<a/>".repeat(600_000) + "</annotation>";
        assert!(parse(&wide).unwrap_err().starts_with("not XML: "));
    }
}
