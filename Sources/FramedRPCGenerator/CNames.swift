/// The names protoc-gen-c 1.4 gives to C declarations; the rules are those of its `c_helpers.cc`.
enum CNames {
  /// `terrane.v1.DatasetSpec` → `Terrane__V1__DatasetSpec`
  static func type(_ fullName: String) -> String {
    fullName.split(separator: ".").map { camel(String($0)) }.joined(separator: "__")
  }

  /// `terrane.v1.DatasetSpec` → `terrane__v1__dataset_spec`
  static func function(_ fullName: String) -> String {
    fullName.split(separator: ".").map { lower(String($0)) }.joined(separator: "__")
  }

  /// The member of a struct that holds a field, before C's own words are taken into account.
  static func member(_ field: String) -> String {
    let name = field.lowercased()
    return reserved.contains(name) ? name + "_" : name
  }

  /// The member that tells which field of a oneof is set.
  static func oneofCase(_ oneof: String) -> String { lower(oneof) + "_case" }

  /// The name of the generated message behind a map field `labels`: `LabelsEntry`.
  static func entry(ofMap field: String) -> String { camel(field) + "Entry" }

  private static func camel(_ name: String) -> String {
    var result = ""
    var nextIsUpper = true
    for character in name {
      if character == "_" {
        nextIsUpper = true
      } else {
        result += nextIsUpper ? character.uppercased() : String(character)
        nextIsUpper = false
      }
    }
    return result
  }

  private static func lower(_ name: String) -> String {
    var result = ""
    var wasUpper = true
    for character in name {
      if character.isUppercase && !wasUpper { result += "_" }
      result += character.lowercased()
      wasUpper = character.isUppercase
    }
    return result
  }

  private static let reserved: Set<String> = [
    "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "class", "compl",
    "const", "const_cast", "continue", "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit",
    "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new",
    "not", "not_eq", "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "return", "short", "signed", "sizeof", "static", "static_cast", "struct", "switch", "template", "this", "throw",
    "true", "try", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile",
    "wchar_t", "while", "xor", "xor_eq",
  ]
}
