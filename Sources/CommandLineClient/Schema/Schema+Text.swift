internal import SwiftProtobuf

extension Schema {
  /// Services with their methods, a line each.
  public var list: String {
    services.map { service in
      ([service] + (methods[service] ?? []).map { "  \($0.name.split(separator: "/").last ?? "")" })
        .joined(separator: "\n")
    }.joined(separator: "\n") + "\n"
  }

  /// A service, method, message or enum as a `.proto` file would have it. `name` is a full name, or its end.
  public func description(of name: String) throws(CommandLineError) -> String {
    func match(_ candidate: String) -> Bool { candidate == name || candidate.hasSuffix("." + name) }
    if let service = services.first(where: match) { return describe(service: service) }
    if let message = messages.keys.sorted().first(where: match) { return describe(message: message) }
    if let type = enums.keys.sorted().first(where: match) { return describe(enumeration: type) }
    let method = try method(name)
    let texts = [describe(method: method, indent: ""), describe(message: method.request)]
    return (texts + (method.response == method.request ? [] : [describe(message: method.response)])).joined(
      separator: "\n")
  }

  private func describe(service: String) -> String {
    let lines = (methods[service] ?? []).map { describe(method: $0, indent: "  ") }
    return comment(comments[service], "") + "service \(service) {\n" + lines.joined() + "}\n"
  }

  private func describe(method: Method, indent: String) -> String {
    let name = method.name.split(separator: "/").last ?? ""
    let response = (method.isStream ? "stream " : "") + method.response
    return comment(method.comment, indent) + "\(indent)rpc \(name)(\(method.request)) returns (\(response))\n"
  }

  private func describe(message name: String) -> String {
    guard let message = messages[name] else { return "" }
    var text = comment(comments[name], "") + "message \(name) {\n"
    for field in message.field {
      text += comment(comments["\(name).\(field.name)"], "  ")
      text += "  \(label(field))\(type(field)) \(field.name) = \(field.number)"
      if field.hasOneofIndex, !field.proto3Optional {
        text += "  // one of \(message.oneofDecl[Int(field.oneofIndex)].name)"
      }
      text += "\n"
    }
    return text + "}\n"
  }

  private func describe(enumeration name: String) -> String {
    guard let type = enums[name] else { return "" }
    var text = comment(comments[name], "") + "enum \(name) {\n"
    for value in type.value {
      text += comment(comments["\(name).\(value.name)"], "  ")
      text += "  \(value.name) = \(value.number)  // in JSON \"\(Self.word(value.name, of: name))\"\n"
    }
    return text + "}\n"
  }

  private func label(_ field: Field) -> String {
    if entry(field) != nil { return "" }
    return field.label == .repeated ? "repeated " : field.proto3Optional ? "optional " : ""
  }

  private func type(_ field: Field) -> String {
    if let entry = entry(field) { return "map<\(type(entry.field[0])), \(type(entry.field[1]))>" }
    switch field.type {
    case .message, .enum: return Self.full(field.typeName)
    default: return "\(field.type)"
    }
  }

  /// The entry's message where the field is a map.
  func entry(_ field: Field) -> Message? {
    guard field.type == .message, field.label == .repeated, let message = messages[Self.full(field.typeName)],
      message.options.mapEntry
    else { return nil }
    return message
  }

  private func comment(_ text: String?, _ indent: String) -> String {
    guard let text, !text.isEmpty else { return "" }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let kept = lines.last?.isEmpty == true ? lines.dropLast() : lines[...]
    return kept.map { "\(indent)//\(TerminalText.sanitised(String($0)))\n" }.joined()
  }
}
