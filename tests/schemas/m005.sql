BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tokenwatch','m001_first_schema','2026-11-20T12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'tokenwatch','m002_reminders_not_said_yet','2026-11-20T12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'tokenwatch','m003_sweep','2026-11-20T12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'tokenwatch','m004_rotations','2026-11-20T12:00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'tokenwatch','m005_failures_by_time','2026-11-20T12:00:00');
CREATE TABLE audit (
            id INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            who TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            details TEXT NOT NULL DEFAULT ''
        ) STRICT;
INSERT INTO "audit" VALUES(1,1795176000000,'U07MARA0001','token.add','token:npm-acme-ci','');
CREATE TABLE campaign_tokens (
            campaign_id INTEGER NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            token_name TEXT NOT NULL,
            state TEXT NOT NULL,
            why TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (campaign_id, position)
        ) STRICT;
CREATE TABLE campaigns (
            id INTEGER PRIMARY KEY,
            title TEXT NOT NULL,
            what TEXT NOT NULL,
            path TEXT NOT NULL,
            channel TEXT,
            started_by TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            ended_at INTEGER,
            ended_by TEXT,
            next_batch_at INTEGER NOT NULL
        ) STRICT;
CREATE TABLE deliveries (
            seq INTEGER PRIMARY KEY,
            guid TEXT NOT NULL UNIQUE,
            event TEXT NOT NULL,
            action TEXT,
            repository TEXT NOT NULL,
            body BLOB NOT NULL,
            received_at INTEGER NOT NULL,
            state TEXT NOT NULL,
            due_at INTEGER NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            lease_owner TEXT,
            lease_until INTEGER,
            finished_at INTEGER,
            reason TEXT,
            note TEXT
        , source TEXT NOT NULL DEFAULT 'webhook') STRICT;
INSERT INTO "deliveries" VALUES(1,'waits-since-then','workflow_run','completed','acme/old',X'7801ED596D6FDB3610FE2B81BF76B648C9962C03C30A2CD80BB021409BA2C08641A024CA6643BD8CA41CA441FEFBEE28D156ECDAB1937D29E02F4D42DE1D4FC7BB7B9E631F472C33A2AE468BAB5156978DE486E7A31FAE46F7B5BA2B647D9FA816371F4722871F112114362B5672D4F8C025679AA37C55E73CB132A3CFBF7C48EEEEFFB8A1E92CC6AD156779922A56652B542A99A836CB7AC5702DE634CC23CA784C298FE65944E83C0D839044B498878CC47194D28004A8D73063ED4C96C2ACDAD4739E6A4F75EE4C1E4A8982B9D08D640F8911465A77B355ADF8E2AA174311F8B8A46ACB942BFC3858E06B5E19F4A869F50A25B461A6D5B8F22C3C595D65B2D57DE40A2664AB6C1C9C375D2CA268E6FB3E250158CA563CBB4B742B4C1F284A836016CC6794ECEC0E62F9F34708E5F5CD3488499865F68456497467654CA3179EC71AD14762021E420C9A5A7B2C2BB957CB1C7EC1DB85D0B4F00FDE1E7ED3CA9432D931D305D39A38AEDCB452268AFFDB726D302E7FFF83DE2BCE2071126663E7133F1C533AF6C92DA58B59B420E42F3CB76DF203523E88382970B9C6EB781CC97A09A902DFFAA5AE981E2BB4D1A56110C55110615407B1FA94DC2DAF6FFCB4C8E2190F5198AD99616AF753BB55DD47ADD55CC16D1AB877FBF5AD0796ADF59FD63F4ED1CA52F576BAF4B65F72F40ED0A4F6064EBF10F081A479686CAA7E0213F620F899AC05BF4FDC4ED3A65264B8A73193585EDA18154C6AFE04AB98D2CC185E36781758AD8A175CF12A83FB71D9B9B938948614572F5F9E5162B9E44A54CBE472439093AFBFA12F75AAF772F2BC2A86E44A35E60094C89B6DA10DB4356C503BDDE17893B18A63DBD9B4B7ED6A6813324B14902F6F767263C87A0A58C2F75AD87127F73AA197592B684F71AC83B3BE79DF9C3582D61AC5D7A26EB52BC3DE70058D13765D09BEEE38A70DCDDC410B1E692116DA7F29B0E87BB03E0B558DE20EBF4342E6539E521A9122E27E34E724F48B382F62426941D2300A6773C6E67870C9B566CB03E86A046C1B5636D8C30F81026B0DC0B2F5DAD18A413FE4C0162CDCF56BEF6D6F9D5400E48D7C1800DF087B5F170163D1FC71C3527E15E6B736456F37D67AFDF75BD41B3DD9E689E829007F1EB6610C69389D8500E260608036C071106DA6290F09F5D1BA731F7017FF2C1028DD9AC354DC6894005CC298D9A60D2BF57DD5FBBC813C5440618B39340EA3683EB7D46BCBB33ABC4B5316A781957D1DDC39E36F843BE7F00B58E7C41C9CDDA825ABC4576649287C2FDEEF798077C2814885309839D799124D4F78FB822C80E90EEEE29C2E803657757D776677B32AA8DBF38E33D59D96F7F80EB9F093B5B44BC0E898046332BD25F182FA8BE9F40502162E085D90D84A21F5DDE772FE2D058AE62F026A85A0725C07835F81876E4B69C33EB13CD139AD5703D941D12D5C5938C94CD61577B28EE11EB19CF382B5D27C63BA580B2D522185C14A0636EF481353D94AAC61C6D9561FCC092C95CF964CDD88AC2349D8166C7BB5CCFAD21B3A4A7D1E1576457F42A962BE5C7AC3A53794DF456FC0E6E028197414F74AE2A819EC0E18C3673BCA6753060C2AC23C77E460F08C72F2E306BE4B58DA8544746DE17F6F089F8EC96C4C835B32EFC6EB0921E41DB47042F0F46F4CE3C407D4C0993D20801A9D38C042277E74E43DF0ECE062B34B574F7C8048659D7AF85EE4F54CEFF0634FCAF2E529C831B0D087DDB3AA13BD5E5A0EA97995EF92B10121BDBC3F6CA0F4C0FBC38542BFF6C5E8029340D51CEB3B3ECD5F28343C7DE37BE57701938036F570CE7BF6B8EBB2FEC8A47B6367EDC1A47B7C4883B3BA277084398B4CBB23C54E726D14BAE77354B3FF11F0D260B6D5EBC451F1947970ABB7C9E3FF67767F3EE08E2CA0890AB88294DD84BDE128331A4541407CF0784051FEBCFEFD6B4067451185F020F21FF3C25A86',1795176000000,'new',1795176000000,0,NULL,NULL,NULL,NULL,NULL,'webhook');
INSERT INTO "deliveries" VALUES(2,'was-done','ping',NULL,'',X'7801AB56AA4ACD53B25250AA50AA050018A203A0',1795176000000,'done',1795176000000,0,NULL,NULL,1795176000000,'pong',NULL,'webhook');
CREATE TABLE due_jobs (
            name TEXT NOT NULL,
            due TEXT NOT NULL,
            lease_owner TEXT NOT NULL,
            lease_until INTEGER NOT NULL,
            done_at INTEGER,
            PRIMARY KEY (name, due)
        ) STRICT;
CREATE TABLE incidents (
            id INTEGER PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            state TEXT NOT NULL,
            registry TEXT,
            cause TEXT NOT NULL,
            verdict TEXT NOT NULL,
            token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            repo TEXT NOT NULL,
            workflow TEXT NOT NULL,
            package TEXT,
            version TEXT,
            occurrences INTEGER NOT NULL,
            opened_at INTEGER NOT NULL,
            last_seen_at INTEGER NOT NULL,
            claimed_by TEXT,
            claimed_at INTEGER,
            snoozed_by TEXT,
            snoozed_until INTEGER,
            snooze_reason TEXT,
            resolved_at INTEGER,
            resolved_by TEXT,
            resolution TEXT,
            channel TEXT,
            card_key TEXT NOT NULL,
            facts TEXT NOT NULL
        ) STRICT;
INSERT INTO "incidents" VALUES(1,'npm|no-access|acme/old|other.yml','open','npm','no-access','no-access',NULL,'acme/old','.github/workflows/other.yml','@acme/old','1.0.0',1,1795176000000,1795176000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'C07RELEASE1','incident:1','{"sentence": "The registry refused @acme/old."}');
CREATE TABLE messages (
            seq INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            channel TEXT NOT NULL,
            about TEXT,
            text TEXT NOT NULL,
            blocks TEXT NOT NULL,
            state TEXT NOT NULL,
            due_at INTEGER NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            lease_owner TEXT,
            lease_until INTEGER,
            version INTEGER NOT NULL DEFAULT 1,
            ts TEXT,
            reason TEXT,
            made_at INTEGER NOT NULL,
            sent_at INTEGER
        ) STRICT;
INSERT INTO "messages" VALUES(1,'incident:1','post','C07RELEASE1',NULL,'The registry refused @acme/old.','[]','sent',1795176000000,0,NULL,NULL,1,'1763640000.000100',NULL,1795176000000,1795176000000);
CREATE TABLE occurrences (
            incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
            repo TEXT NOT NULL,
            run_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            seen_at INTEGER NOT NULL,
            run_url TEXT NOT NULL,
            PRIMARY KEY (incident_id, repo, run_id, attempt)
        ) STRICT;
INSERT INTO "occurrences" VALUES(1,'acme/old',6000,1,1795176000000,'https://github.com/acme/old/actions/runs/6000');
CREATE TABLE reminders (
            token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
            ends_at INTEGER NOT NULL,
            rung INTEGER NOT NULL,
            message_key TEXT NOT NULL,
            said_at INTEGER,
            PRIMARY KEY (token_id, ends_at, rung)
        ) STRICT;
CREATE TABLE rotation_notes (
            rotation_id INTEGER NOT NULL REFERENCES rotations (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL,
            at INTEGER NOT NULL,
            settled_at INTEGER,
            PRIMARY KEY (rotation_id, key)
        ) STRICT;
CREATE TABLE rotation_steps (
            rotation_id INTEGER NOT NULL REFERENCES rotations (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            owner TEXT,
            since INTEGER NOT NULL,
            deadline INTEGER,
            repo TEXT,
            workflow TEXT,
            secret TEXT,
            level TEXT,
            environment TEXT,
            done_at INTEGER,
            proof TEXT,
            who TEXT,
            what TEXT,
            override INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (rotation_id, position)
        ) STRICT;
CREATE TABLE rotations (
            id INTEGER PRIMARY KEY,
            token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            token_name TEXT NOT NULL,
            path TEXT NOT NULL,
            registry TEXT NOT NULL,
            owner TEXT NOT NULL,
            second TEXT,
            new_name TEXT,
            new_token_id INTEGER REFERENCES tokens (id) ON DELETE SET NULL,
            lifetime_days INTEGER NOT NULL,
            bypass INTEGER NOT NULL,
            bypass_reason TEXT NOT NULL,
            packages TEXT NOT NULL,
            overlap_ms INTEGER NOT NULL,
            old_ends_at INTEGER,
            old_used_at INTEGER,
            stuck_since INTEGER,
            stuck_why TEXT,
            stuck_told INTEGER NOT NULL DEFAULT 0,
            ended_as TEXT,
            ended_at INTEGER,
            ended_by TEXT,
            ended_why TEXT,
            channel TEXT,
            campaign_id INTEGER REFERENCES campaigns (id) ON DELETE SET NULL,
            started_by TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            look_at INTEGER NOT NULL
        ) STRICT;
CREATE TABLE runs (
            repo TEXT NOT NULL,
            run_id INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            workflow TEXT NOT NULL,
            conclusion TEXT,
            outcome TEXT NOT NULL,
            cause TEXT,
            package TEXT,
            version TEXT,
            completed_at INTEGER,
            seen_at INTEGER NOT NULL, registry TEXT, token_id INTEGER,
            PRIMARY KEY (repo, run_id, attempt)
        ) STRICT;
INSERT INTO "runs" VALUES('acme/old',6000,1,'.github/workflows/other.yml','failure','failed','no-access','@acme/old','1.0.0',1795176000000,1795176000000,NULL,NULL);
CREATE TABLE sweeps (
            source TEXT PRIMARY KEY,
            begun_at INTEGER NOT NULL,
            seen_up_to INTEGER NOT NULL,
            etag TEXT,
            swept_at INTEGER
        ) STRICT;
CREATE TABLE token_grants (
            token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (token_id, kind, name)
        ) STRICT;
INSERT INTO "token_grants" VALUES(1,'package','@acme/old',0);
CREATE TABLE token_uses (
            token_id INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            repo TEXT NOT NULL,
            workflow TEXT,
            secret TEXT,
            level TEXT NOT NULL,
            environment TEXT,
            PRIMARY KEY (token_id, position)
        ) STRICT;
INSERT INTO "token_uses" VALUES(1,0,'acme/old','.github/workflows/release.yml','NPM_TOKEN','repository',NULL);
CREATE TABLE tokens (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            registry TEXT NOT NULL,
            kind TEXT NOT NULL,
            permission TEXT,
            cidr TEXT NOT NULL DEFAULT '[]',
            bypass_2fa INTEGER,
            bypass_reason TEXT,
            hint TEXT,
            registry_id TEXT,
            account TEXT,
            created_at INTEGER,
            expires_at INTEGER,
            expires_computed INTEGER NOT NULL DEFAULT 0,
            last_used_at INTEGER,
            revoked_at INTEGER,
            listed_at INTEGER,
            owner TEXT,
            backup_owner TEXT,
            note TEXT NOT NULL DEFAULT '',
            search TEXT NOT NULL,
            added_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT;
INSERT INTO "tokens" VALUES(1,'npm-acme-ci','npm','granular','read-write','[]',NULL,NULL,NULL,NULL,NULL,1792584000000,1800360000000,0,NULL,NULL,NULL,'U07MARA0001',NULL,'','npm-acme-ci
@acme/old
acme/old
npm_token
',1795176000000,1795176000000);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX deliveries_unfinished ON deliveries (due_at, seq)
            WHERE state IN ('new', 'waiting', 'working');
CREATE INDEX deliveries_working ON deliveries (repository) WHERE state = 'working';
CREATE INDEX deliveries_dead ON deliveries (seq) WHERE state = 'dead';
CREATE INDEX tokens_by_end ON tokens (expires_at) WHERE revoked_at IS NULL;
CREATE INDEX tokens_in_order ON tokens ((revoked_at IS NOT NULL), (expires_at IS NULL), expires_at, name);
CREATE INDEX tokens_by_lower_name ON tokens (lower(name));
CREATE INDEX tokens_by_registry ON tokens (registry, kind);
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX tokens_without_owner ON tokens (id) WHERE owner IS NULL AND revoked_at IS NULL;
CREATE INDEX tokens_with_bypass ON tokens (id) WHERE bypass_2fa = 1 AND revoked_at IS NULL;
CREATE INDEX tokens_by_owner ON tokens (owner) WHERE owner IS NOT NULL;
CREATE INDEX tokens_by_backup_owner ON tokens (backup_owner) WHERE backup_owner IS NOT NULL;
CREATE INDEX token_grants_by_name ON token_grants (lower(name), token_id);
CREATE INDEX token_uses_by_repo ON token_uses (lower(repo), token_id);
CREATE INDEX runs_by_workflow ON runs (repo, workflow, completed_at);
CREATE UNIQUE INDEX incidents_one_open ON incidents (fingerprint) WHERE state <> 'resolved';
CREATE INDEX incidents_by_workflow ON incidents (repo, workflow) WHERE state <> 'resolved';
CREATE INDEX messages_unsent ON messages (due_at, seq) WHERE state IN ('new', 'sending', 'unknown');
CREATE INDEX messages_about ON messages (about) WHERE about IS NOT NULL;
CREATE INDEX audit_by_subject ON audit (subject, at);
CREATE INDEX reminders_not_said ON reminders (message_key) WHERE said_at IS NULL;
CREATE INDEX campaigns_open ON campaigns (next_batch_at) WHERE ended_at IS NULL;
CREATE INDEX campaign_tokens_by_token ON campaign_tokens (token_id) WHERE token_id IS NOT NULL;
CREATE UNIQUE INDEX rotations_one_open ON rotations (token_id) WHERE ended_at IS NULL AND token_id IS NOT NULL;
CREATE INDEX rotations_to_look_at ON rotations (look_at, id) WHERE ended_at IS NULL;
CREATE INDEX rotations_open ON rotations (started_at, id) WHERE ended_at IS NULL;
CREATE INDEX rotations_by_token ON rotations (token_id) WHERE token_id IS NOT NULL;
CREATE INDEX rotations_by_new_token ON rotations (new_token_id) WHERE new_token_id IS NOT NULL;
CREATE INDEX rotations_by_campaign ON rotations (campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX rotation_steps_by_repo ON rotation_steps (lower(repo), rotation_id) WHERE repo IS NOT NULL;
CREATE INDEX runs_failed ON runs (completed_at) WHERE outcome = 'failed';
CREATE INDEX occurrences_by_run ON occurrences (repo, run_id, attempt);
COMMIT;
