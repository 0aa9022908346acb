internal import ArgumentParser
internal import Credentials
internal import Datasets
internal import Foundation

/// `terraned init-sql`: what the administrator of a PostgreSQL has to run before `terraned --database URL` can use it.
struct InitSQLCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init-sql",
    abstract: "Prints what an external database needs, for its administrator.",
    discussion: """
      Draws the passwords of the roles that terraned logs in as, keeps them in DATA/credentials, and prints a script for psql \
      that holds only what PostgreSQL keeps of them: it is no secret. A superuser runs it in the database; again after an \
      upgrade, or with more --slots.

        terraned init-sql --data /var/lib/terrane | ssh db psql -X -v ON_ERROR_STOP=1 -d terrane
        terraned --data /var/lib/terrane --database postgresql://db.example.org/terrane
      """)

  @OptionGroup var options: SettingsOptions

  func run() throws {
    let settings = try Terraned.settings(options)
    try Terraned.main(settings) {
      let folder = DataDirectory.credentials(of: settings.data)
      try FileManager.default.createDirectory(
        atPath: settings.data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
      let drawn = try CredentialStore(directory: folder).prepareDatabaseLogins(slots: settings.slots)
      let logins = DatabaseInstaller.Logins(
        server: drawn.server, dataAPI: drawn.dataAPI, slots: Array(drawn.slots.prefix(settings.slots)))
      FileHandle.standardOutput.write(Data(try Database.installer(settings).script(logins).utf8))
    }
  }
}
