//! One annotation file of a PASCAL VOC folder.

use roxmltree::{Document, Node, ParsingOptions};

use super::error::quoted;
use crate::evaluate::Region;

/// Elements, texts and comments that an annotation may have; some tens of megabytes in memory.
const MAX_NODES: u32 = 500_000;

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

/// Parses the XML text of an annotation. The problem starts with `line ..:` wherever there is a place to name.
pub(super) fn parse(text: &str) -> Result<VocAnnotation, String> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|problem| format!("not XML: {problem}"))?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        let found = quoted(root.tag_name().name());
        return Err(at(root, format!("the root element is {found}, expected \"annotation\"")));
    }
    let objects = children(root, "object").enumerate().map(|(index, node)| {
        object(node).map_err(|(place, problem)| at(place, format!("object {}: {problem}", index + 1)))
    });
    Ok(VocAnnotation {
        filename: child_text(root, "filename").filter(|name| !name.is_empty()).map(str::to_owned),
        size: child(root, "size").and_then(size),
        objects: objects.collect::<Result<_, _>>()?,
    })
}

/// A problem and the element that it is in.
type Misplaced<'a, 'input> = (Node<'a, 'input>, String);

fn object<'a, 'input>(node: Node<'a, 'input>) -> Result<VocObject, Misplaced<'a, 'input>> {
    let class = child_text(node, "name").filter(|name| !name.is_empty());
    let class = class.ok_or_else(|| (node, "has no name".to_owned()))?;
    let bounds = child(node, "bndbox").ok_or_else(|| (node, "has no bndbox".to_owned()))?;
    let edge = |tag: &str| -> Result<f64, Misplaced<'a, 'input>> {
        let text = child_text(bounds, tag).ok_or_else(|| (bounds, format!("bndbox has no {tag}")))?;
        text.parse().map_err(|_| (bounds, format!("{tag} is {}, expected a number", quoted(text))))
    };
    let region = Region::from_corners([edge("xmin")?, edge("ymin")?, edge("xmax")?, edge("ymax")?]);
    if let Some(problem) = region.problem() {
        return Err((bounds, problem));
    }
    let difficult = match child_text(node, "difficult") {
        None | Some("" | "0" | "Unspecified") => false,
        Some("1") => true,
        Some(other) => return Err((node, format!("difficult is {}, expected 0 or 1", quoted(other)))),
    };
    Ok(VocObject { class: class.to_owned(), region, difficult })
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
    format!("line {}: {problem}", node.document().text_pos_at(node.range().start).row)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                with_box("<xmin>5</xmin><ymin>2</ymin><xmax>4</xmax><ymax>3</ymax>"),
                "line 4: object 1: the box is -1 wide and 1 high, expected at least 0",
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
